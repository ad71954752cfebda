import type { CommandSpec } from '../../command-line/command.ts';

export const RM: CommandSpec = {
  path: 'kwctl rm',
  about: 'Remove a Kubewarden policy from the store',
  options: [],
  positionals: [{ id: 'uri_or_sha_prefix', help: 'URI or prefix of the SHA-256 of the policy' }],
};
