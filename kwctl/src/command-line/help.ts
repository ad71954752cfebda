import { allOptions, commandName, hasLongHelp, HELP_OPTION, positionalText, valueText } from './command.ts';
import type { CommandSpec, OptionSpec } from './command.ts';
import { usageLine } from './usage.ts';

/** Wider tables put each explanation on a line of its own. */
const MAX_COLUMNS = 100;

/** The help text of a command: short for `-h`, long for `--help` and `help`. */
export function helpText(command: CommandSpec, isLong: boolean): string {
  const isSpacious = isLong && hasLongHelp(command);
  const long = isLong && command.longAbout !== undefined ? `\n\n${command.longAbout}` : '';
  const sections = [
    `${command.about}${long}`,
    usageLine(command),
    section('Commands', commandRows(command), false),
    section('Arguments', positionalRows(command), isSpacious),
    section('Options', optionRows(command, isLong), isSpacious),
    isLong ? command.longAfter : undefined,
  ];
  return `${sections.filter((text) => text !== undefined).join('\n\n')}\n`;
}

interface Row {
  readonly left: string;
  readonly right: string;
}

function section(title: string, rows: readonly Row[], isSpacious: boolean): string | undefined {
  if (rows.length === 0) return undefined;
  const width = Math.max(...rows.map(({ left }) => left.length));
  const isNarrow = rows.every(({ right }) => 2 + width + 2 + right.length <= MAX_COLUMNS);
  const lines = rows.map(({ left, right }) =>
    isNarrow && !isSpacious ? `  ${left.padEnd(width)}  ${right}` : `  ${left}\n          ${right}`,
  );
  return `${title}:\n${lines.join(isSpacious ? '\n\n' : '\n')}`;
}

function commandRows(command: CommandSpec): Row[] {
  if (command.subcommands === undefined) return [];
  const rows = command.subcommands.map((sub) => ({
    left: commandName(sub),
    right: sub.about,
  }));
  return [...rows, { left: 'help', right: 'Print this message or the help of the given subcommand(s)' }];
}

function positionalRows(command: CommandSpec): Row[] {
  return command.positionals.map((positional) => ({ left: positionalText(positional), right: positional.help }));
}

function optionRows(command: CommandSpec, isLong: boolean): Row[] {
  const sorted = [...command.options].sort((a, b) => (a.id < b.id ? -1 : 1));
  const builtIn = allOptions(command).slice(command.options.length);
  return [...sorted, ...builtIn].map((option) => ({
    left: optionLeft(option),
    right: option === HELP_OPTION ? option.help + helpHint(command, isLong) : optionRight(option),
  }));
}

function helpHint(command: CommandSpec, isLong: boolean): string {
  if (!hasLongHelp(command)) return '';
  return isLong ? " (see a summary with '-h')" : " (see more with '--help')";
}

function optionLeft(option: OptionSpec): string {
  const short = option.short === undefined ? '    ' : `-${option.short}, `;
  return `${short}--${option.id}${valueText(option)}`;
}

function optionRight(option: OptionSpec): string {
  const fallback = option.defaultText === undefined ? '' : ` [default: ${option.defaultText}]`;
  const values = option.values === undefined ? '' : ` [possible values: ${option.values.join(', ')}]`;
  return option.help + fallback + values;
}
