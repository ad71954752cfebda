import type { CommandSyntax } from '../../command-line/command.ts';

export const RM: CommandSyntax = {
  options: [],
  positionals: [{ id: 'uri_or_sha_prefix', help: 'URI or prefix of the SHA-256 of the policy' }],
};
