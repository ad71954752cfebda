import { takesNext, type CommandSpec, type Completion, type OptionSpec } from '../../command-line/command.ts';
import { sortedOptions } from '../../command-line/reference.ts';
import { subcommandWords } from './words.ts';

export function fishCompletions(commands: readonly CommandSpec[]): string {
  const nested = commands.filter(({ path, subcommands }) => path.includes(' ') && subcommands !== undefined);
  const names = nested.map(({ path }) => path.slice(path.lastIndexOf(' ') + 1));
  return `# fish completion for kwctl

# True where the words before the cursor lead to the command that is named.
function __kwctl_at
    set -l path
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        set -a path $word
        contains -- $word help ${names.join(' ')}; or break
    end
    test "$path" = "$argv"
end

complete -c kwctl -f
${commands.flatMap(commandLines).join('\n')}
`;
}

function commandLines(command: CommandSpec): string[] {
  const words = command.path.split(' ').slice(1);
  const condition = quoted(['__kwctl_at', ...words].join(' '));
  const start = `complete -c kwctl -n ${condition}`;
  const lines = subcommandWords(command).map(({ text, help }) => `${start} -a ${text} -d ${quoted(help)}`);
  if (command.subcommands !== undefined) lines.push(...helpLines(command, words));
  lines.push(...sortedOptions(command).map((option) => `${start} ${optionSwitches(option)} -d ${quoted(option.help)}`));
  const positional = command.positionals.find(({ completes }) => completes !== undefined);
  if (positional !== undefined) lines.push(`${start} ${valueSwitches(positional.completes)}`.replace(' -x', ''));
  return lines;
}

/** `kwctl help run`: the names once more, behind `help`. */
function helpLines(command: CommandSpec, words: readonly string[]): string[] {
  const spellings = [
    [...words, 'help'],
    ['help', ...words],
  ].map((path) => path.join(' '));
  return Array.from(new Set(spellings)).flatMap((path) =>
    subcommandWords(command)
      .filter(({ text }) => text !== 'help')
      .map(({ text, help }) => `complete -c kwctl -n ${quoted(`__kwctl_at ${path}`)} -a ${text} -d ${quoted(help)}`),
  );
}

function optionSwitches(option: OptionSpec): string {
  const name = option.short === undefined ? `-l ${option.id}` : `-s ${option.short} -l ${option.id}`;
  if (!takesNext(option)) return name;
  if (option.values !== undefined) return `${name} -x -a ${quoted(option.values.join(' '))}`;
  return `${name} ${valueSwitches(option.completes)}`;
}

function valueSwitches(completes: Completion | undefined): string {
  if (completes === undefined) return '-x';
  return completes === 'folder' ? "-x -a '(__fish_complete_directories)'" : '-r -F';
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, (character) => `\\${character}`)}'`;
}
