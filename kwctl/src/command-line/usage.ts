import { optionText, positionalText, type CommandSpec } from './command.ts';

/**
 * The line that says how a command is written. With `used` (option ids, may be empty) it names the options that are
 * involved instead of `[OPTIONS]`.
 */
export function usageLine(command: CommandSpec, used?: readonly string[]): string {
  const words = ['Usage:', command.path];
  const involved = new Set([...requiredIds(command), ...(used ?? [])]);
  if (used === undefined && hasOptionalOptions(command)) words.push('[OPTIONS]');
  for (const id of involved) {
    const option = command.options.find((candidate) => candidate.id === id);
    if (option !== undefined) words.push(optionText(option));
  }
  words.push(...command.positionals.map(positionalText));
  if (command.subcommands !== undefined) words.push('<COMMAND>');
  return words.join(' ');
}

export function requiredIds(command: CommandSpec): string[] {
  return command.options.filter((option) => option.required === true).map((option) => option.id);
}

function hasOptionalOptions(command: CommandSpec): boolean {
  return command.options.some((option) => option.required !== true);
}
