import type { CommandSyntax } from '../../../command-line/command.ts';

export const VERIFICATION_CONFIG: CommandSyntax = {
  options: [],
  positionals: [],
};
