import { commandName, positionalText, type CommandSpec, type OptionSpec } from '../../command-line/command.ts';
import { usageLine } from '../../command-line/usage.ts';
import { optionSpellings, sortedOptions } from '../../command-line/reference.ts';

/** The reference of the command line in Markdown. */
export function markdownReference(commands: readonly CommandSpec[]): string {
  const program = commands[0]?.path ?? '';
  const parts = [
    `# Command-Line Help for \`${program}\``,
    `This document contains the help content for the \`${program}\` command-line program.`,
    '**Command Overview:**',
    commands.map(({ path }) => `* [\`${path}\`↴](#${path.replaceAll(' ', '-')})`).join('\n'),
    ...commands.flatMap(commandParts),
  ];
  return `${parts.join('\n\n')}\n`;
}

function commandParts(command: CommandSpec): string[] {
  const { path, about, longAbout, longAfter, subcommands = [], positionals } = command;
  const parts = [
    `## \`${path}\``,
    escaped(about),
    longAbout === undefined ? '' : escaped(longAbout),
    `**Usage:** \`${usageLine(command).slice('Usage: '.length)}\``,
    section(
      'Subcommands',
      subcommands.map((entry) => `* \`${commandName(entry)}\` — ${escaped(entry.about)}`),
    ),
    section(
      'Arguments',
      positionals.map((positional) => `* \`${positionalText(positional)}\` — ${escaped(positional.help)}`),
    ),
    section('Options', sortedOptions(command).map(optionItem)),
    longAfter === undefined ? '' : escaped(longAfter),
  ];
  return parts.filter((text) => text !== '');
}

function section(title: string, items: readonly string[]): string {
  return items.length === 0 ? '' : `###### **${title}:**\n\n${items.join('\n')}`;
}

function optionItem(option: OptionSpec): string {
  const spellings = optionSpellings(option).map((text) => `\`${text}\``);
  const values = option.values?.map((value) => `\`${value}\``).join(', ');
  return [
    `* ${spellings.join(', ')} — ${escaped(option.help)}`,
    option.defaultText === undefined ? '' : `\n  Default value: \`${option.defaultText}\``,
    values === undefined ? '' : `\n  Possible values: ${values}`,
  ]
    .filter((text) => text !== '')
    .join('\n');
}

function escaped(text: string): string {
  return text.replaceAll(/[\\`*_<>[\]|]/g, (character) => `\\${character}`);
}
