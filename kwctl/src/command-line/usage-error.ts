import { commandName, optionText, type CommandSpec, type OptionSpec } from './command.ts';
import { usageLine } from './usage.ts';

/** A command line that cannot be read. `message` is the whole text for stderr, without the last newline. */
export class UsageError extends Error {
  constructor(paragraphs: readonly (string | undefined)[]) {
    super([...paragraphs, "For more information, try '--help'."].filter((part) => part !== undefined).join('\n\n'));
    this.name = 'UsageError';
  }
}

/** A word and what may have been meant by it. */
export interface Guess {
  readonly text: string;
  readonly tips: readonly string[];
}

export function unexpectedArgument(command: CommandSpec, { text, tips }: Guess, used?: readonly string[]): UsageError {
  return new UsageError([`error: unexpected argument '${text}' found`, tipParagraph(tips), usageLine(command, used)]);
}

export function unrecognizedSubcommand(command: CommandSpec, { text, tips }: Guess): UsageError {
  return new UsageError([`error: unrecognized subcommand '${text}'`, tipParagraph(tips), usageLine(command)]);
}

export function invalidValue(option: OptionSpec, value: string, similar: string | undefined): UsageError {
  const tips = similar === undefined ? [] : [similarTip('value', [similar])];
  return new UsageError([
    `error: invalid value '${value}' for '${optionText(option)}'${possibleValues(option)}`,
    tipParagraph(tips),
  ]);
}

export function unreadableValue(option: OptionSpec, value: string, problem: string): UsageError {
  return new UsageError([`error: invalid value '${value}' for '${optionText(option)}': ${problem}`]);
}

export function valueRequired(option: OptionSpec): UsageError {
  return new UsageError([
    `error: a value is required for '${optionText(option)}' but none was supplied${possibleValues(option)}`,
  ]);
}

export function unexpectedValue(
  command: CommandSpec,
  { option, value }: { option: OptionSpec; value: string },
  used?: readonly string[],
): UsageError {
  return new UsageError([
    `error: unexpected value '${value}' for '${optionText(option)}' found; no more were expected`,
    usageLine(command, used),
  ]);
}

export function usedTwice(command: CommandSpec, option: OptionSpec): UsageError {
  return new UsageError([
    `error: the argument '${optionText(option)}' cannot be used multiple times`,
    usageLine(command),
  ]);
}

export function conflict(
  command: CommandSpec,
  pair: { option: OptionSpec; other: OptionSpec },
  used: readonly string[],
): UsageError {
  return new UsageError([
    `error: the argument '${optionText(pair.option)}' cannot be used with '${optionText(pair.other)}'`,
    usageLine(command, used),
  ]);
}

export function missingArguments(
  command: CommandSpec,
  missing: readonly string[],
  used: readonly string[],
): UsageError {
  const list = missing.map((text) => `\n  ${text}`).join('');
  return new UsageError([
    `error: the following required arguments were not provided:${list}`,
    usageLine(command, used),
  ]);
}

export function missingSubcommand(command: CommandSpec): UsageError {
  const names = [...(command.subcommands ?? []).map(commandName), 'help'].join(', ');
  return new UsageError([
    `error: '${command.path}' requires a subcommand but one was not provided\n  [subcommands: ${names}]`,
    usageLine(command),
  ]);
}

/** `a similar argument exists: '--raw'`. */
export function similarTip(noun: 'argument' | 'subcommand' | 'value', similar: readonly string[]): string {
  const quoted = similar.map((text) => `'${text}'`).join(', ');
  return similar.length === 1 ? `a similar ${noun} exists: ${quoted}` : `some similar ${noun}s exist: ${quoted}`;
}

function tipParagraph(tips: readonly string[]): string | undefined {
  return tips.length === 0 ? undefined : tips.map((tip) => `  tip: ${tip}`).join('\n');
}

function possibleValues(option: OptionSpec): string {
  return option.values === undefined ? '' : `\n  [possible values: ${option.values.join(', ')}]`;
}
