import type { CommandSpec } from '../../command-line/command.ts';
import { JSON_OPTION } from '../../options/json-option.ts';

export const INFO: CommandSpec = {
  path: 'kwctl info',
  about: 'Display system information',
  options: [JSON_OPTION],
  positionals: [],
};
