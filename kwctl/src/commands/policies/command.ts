import type { CommandSyntax } from '../../command-line/command.ts';
import { JSON_OPTION } from '../../options/json-option.ts';

export const POLICIES: CommandSyntax = {
  options: [JSON_OPTION],
  positionals: [],
};
