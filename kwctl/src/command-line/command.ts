/** What may stand on the command line: a file, a folder, or anything else. */
export type Completion = 'file' | 'folder';

/** One option of a command. Its id is its long name. */
export interface OptionSpec {
  readonly id: string;
  readonly short?: string;
  /** Shown as `<NAME>`; an option without it is a flag. */
  readonly valueName?: string;
  /**
   * `many`: takes every following argument up to the next flag; none is fine too. `attached`: a flag that also may be
   * written with a value, `--force=yes`. @default 'one'
   */
  readonly takes?: 'one' | 'many' | 'attached';
  /** What a shell offers for the value. */
  readonly completes?: Completion;
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
  readonly completes?: Completion;
  readonly help: string;
}

/** How a command is written; parser, usage errors, help texts, completions and reference are made from it. */
export interface CommandSyntax {
  /** Added to `--help`, not to `-h`. */
  readonly longAbout?: string;
  /** The last paragraphs of `--help`; not in `-h`. */
  readonly longAfter?: string;
  readonly options: readonly OptionSpec[];
  readonly positionals: readonly PositionalSpec[];
  readonly subcommands?: readonly CommandEntry[];
}

interface CommandName {
  /** As typed, with its parents: `kwctl run`. */
  readonly path: string;
  readonly about: string;
}

/** One command of the table. Most command lines need the syntax of one, so that each is loaded when it is needed. */
export interface CommandEntry extends CommandName {
  readonly load: () => Promise<CommandSyntax>;
}

/** One command, wholly known. */
export interface CommandSpec extends CommandName, CommandSyntax {}

export async function loadCommand({ path, about, load }: CommandEntry): Promise<CommandSpec> {
  return { path, about, ...(await load()) };
}

/** A command and all below it, each before its subcommands. */
export async function commandsBelow(command: CommandSpec): Promise<CommandSpec[]> {
  const subcommands = await Promise.all((command.subcommands ?? []).map(loadCommand));
  const below = await Promise.all(subcommands.map(commandsBelow));
  return [command, ...below.flat()];
}

export const HELP_OPTION: OptionSpec = { id: 'help', short: 'h', help: 'Print help' };
export const VERSION_OPTION: OptionSpec = { id: 'version', short: 'V', help: 'Print version' };

/** The last word of the path: what is typed after the parent. */
export function commandName(command: CommandName): string {
  return command.path.slice(command.path.lastIndexOf(' ') + 1);
}

/** How usage lines and error texts write an option: `--request-path <PATH>`. */
export function optionText(option: OptionSpec): string {
  return `--${option.id}${valueText(option)}`;
}

/** What follows the name of an option: ` <PATH>`, ` [<PATTERN>...]`, `[=<force>]` or nothing. */
export function valueText({ valueName, takes }: OptionSpec): string {
  if (valueName === undefined) return '';
  if (takes === 'attached') return `[=<${valueName}>]`;
  return takes === 'many' ? ` [<${valueName}>...]` : ` <${valueName}>`;
}

/** Its value is the next argument, if it is not attached. */
export function takesNext(option: OptionSpec): boolean {
  return isValued(option) && option.takes !== 'attached';
}

/** No mere flag. */
export function isValued({ valueName }: OptionSpec): boolean {
  return valueName !== undefined;
}

/** `--help` of it says more than `-h`. */
export function hasLongHelp(command: CommandSpec): boolean {
  return command.longAbout !== undefined || command.longAfter !== undefined;
}

/** The options of a command, and those every command has. Only the program itself has a version. */
export function allOptions(command: CommandSpec): readonly OptionSpec[] {
  const builtIn = command.path.includes(' ') ? [HELP_OPTION] : [HELP_OPTION, VERSION_OPTION];
  return [...command.options, ...builtIn];
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
