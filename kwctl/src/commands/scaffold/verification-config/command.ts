import type { CommandSpec } from '../../../command-line/command.ts';

export const VERIFICATION_CONFIG: CommandSpec = {
  path: 'kwctl scaffold verification-config',
  about: 'Output a default Sigstore verification configuration file',
  options: [],
  positionals: [],
};
