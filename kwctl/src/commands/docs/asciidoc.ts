import { commandName, positionalText, type CommandSpec, type OptionSpec } from '../../command-line/command.ts';
import { usageLine } from '../../command-line/usage.ts';
import { optionSpellings, sortedOptions } from '../../command-line/reference.ts';

/** The reference of the command line in AsciiDoc. */
export function asciidocReference(commands: readonly CommandSpec[]): string {
  const program = commands[0]?.path ?? '';
  const parts = [
    `= Command-Line Help for ${code(program)}`,
    `This document contains the help content for the ${code(program)} command-line program.`,
    section(
      'Command Overview',
      commands.map(({ path }) => `* <<${anchor(path)},${code(path)}>>`),
    ),
    ...commands.flatMap(commandParts),
  ];
  return `${parts.join('\n\n')}\n`;
}

function commandParts(command: CommandSpec): string[] {
  const { path, about, longAbout, longAfter, subcommands = [], positionals } = command;
  const parts = [
    `[[${anchor(path)}]]\n== ${code(path)}`,
    literal(about),
    literal(longAbout ?? ''),
    `*Usage:* ${code(usageLine(command).slice('Usage: '.length))}`,
    section(
      'Subcommands',
      subcommands.map((entry) => `${code(commandName(entry))}:: ${literal(entry.about)}`),
    ),
    section(
      'Arguments',
      positionals.map((positional) => `${code(positionalText(positional))}:: ${literal(positional.help)}`),
    ),
    section('Options', sortedOptions(command).map(optionItem)),
    literal(longAfter ?? ''),
  ];
  return parts.filter((text) => text !== '');
}

function section(title: string, items: readonly string[]): string {
  return items.length === 0 ? '' : `.${title}\n${items.join('\n')}`;
}

function optionItem(option: OptionSpec): string {
  const lines = [`${optionSpellings(option).map(code).join(', ')}:: ${literal(option.help)}`];
  if (option.defaultText !== undefined) lines.push(`+\nDefault value: ${code(option.defaultText)}`);
  if (option.values !== undefined) lines.push(`+\nPossible values: ${option.values.map(code).join(', ')}`);
  return lines.join('\n');
}

function anchor(path: string): string {
  return path.replaceAll(' ', '-');
}

/** Monospaced, and nothing in it is markup. */
function code(text: string): string {
  return `\`+${text}+\``;
}

/** Prose in which the characters of markup stand for themselves; paragraphs stay what they are. */
function literal(text: string): string {
  return text.replaceAll(
    /[^\s]*[*_`#^~<>[\]{}|+\\][^\s]*|\w+:\/\/[^\s]*/g,
    (word) => `pass:c[${word.replaceAll(']', '\\]')}]`,
  );
}
