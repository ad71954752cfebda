/** One option of a command. Its id is its long name. */
export interface OptionSpec {
  readonly id: string;
  readonly short?: string;
  /** Shown as `<NAME>`; an option without it is a flag. */
  readonly valueName?: string;
  /** `many`: takes every following argument up to the next flag; none is fine too. @default 'one' */
  readonly takes?: 'one' | 'many';
  /** The only values it accepts. */
  readonly values?: readonly string[];
  /** Says what is wrong with a value, if anything. */
  readonly check?: (value: string) => string | undefined;
  readonly required?: boolean;
  /** May be given more than once. */
  readonly repeatable?: boolean;
  readonly conflictsWith?: readonly string[];
  /** What holds when it is not given, for the help text. */
  readonly defaultText?: string;
  readonly help: string;
}

/** A required argument without a flag. */
export interface PositionalSpec {
  readonly id: string;
  readonly repeatable?: boolean;
  readonly help: string;
}

/** One command of the table; parser, usage errors and help texts are made from it. */
export interface CommandSpec {
  /** As typed, with its parents: `kwctl run`. */
  readonly path: string;
  readonly about: string;
  /** Added to `--help`, not to `-h`. */
  readonly longAbout?: string;
  readonly options: readonly OptionSpec[];
  readonly positionals: readonly PositionalSpec[];
  readonly subcommands?: readonly CommandSpec[];
  /** Known, but part of a later release: reads no arguments. */
  readonly notServed?: boolean;
}

export const HELP_OPTION: OptionSpec = { id: 'help', short: 'h', help: 'Print help' };
export const VERSION_OPTION: OptionSpec = { id: 'version', short: 'V', help: 'Print version' };

/** The last word of the path: what is typed after the parent. */
export function commandName(command: CommandSpec): string {
  return command.path.slice(command.path.lastIndexOf(' ') + 1);
}

/** How usage lines and error texts write an option: `--request-path <PATH>`. */
export function optionText(option: OptionSpec): string {
  if (option.valueName === undefined) return `--${option.id}`;
  return option.takes === 'many' ? `--${option.id} [<${option.valueName}>...]` : `--${option.id} <${option.valueName}>`;
}

export function positionalText(positional: PositionalSpec): string {
  return `<${positional.id}>${positional.repeatable === true ? '...' : ''}`;
}

/** What was given on the command line, in the order it was given. */
export interface CommandArguments {
  /** Values by option id; a flag has an empty list. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

/** The value of an option that is given at most once. */
export function optionValue(given: CommandArguments, id: string): string | undefined {
  return given.options.get(id)?.[0];
}
