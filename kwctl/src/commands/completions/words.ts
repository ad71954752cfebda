import { commandName, takesNext, type CommandSpec, type OptionSpec } from '../../command-line/command.ts';
import { sortedOptions } from '../../command-line/reference.ts';

/** A word that may come next, and what it stands for. */
export interface Word {
  readonly text: string;
  readonly help: string;
}

/** The subcommands of a command, `help` among them. */
export function subcommandWords(command: CommandSpec): Word[] {
  if (command.subcommands === undefined) return [];
  const words = command.subcommands.map((entry) => ({ text: commandName(entry), help: entry.about }));
  return [...words, { text: 'help', help: 'Print help of a subcommand' }];
}

/** The spellings of an option without its value: `-r`, `--request-path`. */
export function optionNames({ id, short }: OptionSpec): string[] {
  return short === undefined ? [`--${id}`] : [`-${short}`, `--${id}`];
}

export function optionWords(command: CommandSpec): Word[] {
  return sortedOptions(command).flatMap((option) => optionNames(option).map((text) => ({ text, help: option.help })));
}

/** Options whose value is the next argument. */
export function optionsWithValue(command: CommandSpec): OptionSpec[] {
  return command.options.filter(takesNext);
}

/** Commands under which `help` finds others: the program, and the commands that have subcommands. */
export function parents(commands: readonly CommandSpec[]): CommandSpec[] {
  return commands.filter(({ subcommands }) => subcommands !== undefined);
}
