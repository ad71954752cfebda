import type { CommandSpec } from '../../command-line/command.ts';
import { JSON_OPTION } from '../../options/json-option.ts';

export const POLICIES: CommandSpec = {
  path: 'kwctl policies',
  about: 'List all downloaded policies',
  options: [JSON_OPTION],
  positionals: [],
};
