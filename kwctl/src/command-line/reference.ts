import { allOptions, valueText, type CommandSpec, type OptionSpec } from './command.ts';

/** The options of a command as references list them: by name, those of every command last. */
export function sortedOptions(command: CommandSpec): readonly OptionSpec[] {
  const own = command.options.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return [...own, ...allOptions(command).slice(own.length)];
}

/** How an option may be written: `-r`, `--request-path <PATH>`. */
export function optionSpellings(option: OptionSpec): string[] {
  const long = `--${option.id}${valueText(option)}`;
  return option.short === undefined ? [long] : [`-${option.short}`, long];
}
