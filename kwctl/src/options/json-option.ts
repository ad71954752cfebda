import type { OptionSpec } from '../command-line/command.ts';

/** Option of commands that list something: one JSON document instead of text for people. */
export const JSON_OPTION: OptionSpec = { id: 'json', help: 'Print JSON instead of text' };
