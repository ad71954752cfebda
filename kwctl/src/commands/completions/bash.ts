import { commandName, type CommandSpec, type Completion, type OptionSpec } from '../../command-line/command.ts';
import { optionNames, optionsWithValue, optionWords, parents, subcommandWords, type Word } from './words.ts';

/** For bash 3.2 and newer, with or without the package bash-completion. */
export function bashCompletions(commands: readonly CommandSpec[]): string {
  return `${HEAD}${commands.flatMap(steps).join('\n')}
        esac
    done

    case "$cmd" in
${commands.map(completionsOf).join('\n')}
${parents(commands).map(helpOf).join('\n')}
    esac
}

complete -F _kwctl kwctl
`;
}

/** bash takes words apart at `=`: \`--output=js\` comes as three. */
const HEAD = `# bash completion for kwctl

_kwctl_words() {
    local IFS=$'\\n'
    COMPREPLY=( $(compgen -W "$1" -- "$cur") )
}

_kwctl_files() {
    compopt -o default 2>/dev/null && return
    local IFS=$'\\n'
    COMPREPLY=( $(compgen -f -- "$cur") )
}

_kwctl_folders() {
    compopt -o dirnames 2>/dev/null && return
    local IFS=$'\\n'
    COMPREPLY=( $(compgen -d -- "$cur") )
}

_kwctl() {
    local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" cmd="kwctl" i
    COMPREPLY=()
    if [ "$cur" = "=" ]; then
        cur=""
    elif [ "$prev" = "=" ] && [ "$COMP_CWORD" -ge 2 ]; then
        prev="\${COMP_WORDS[COMP_CWORD-2]}"
    fi
    for (( i = 1; i < COMP_CWORD; i++ )); do
        case "$cmd \${COMP_WORDS[i]}" in
`;

/** How the words before the cursor lead to a command: one more word, one step further. */
function steps(command: CommandSpec): string[] {
  const { path, subcommands } = command;
  if (subcommands === undefined) return [];
  const names = subcommands.map(commandName);
  return [
    step(`${path} help`, `${path} help`),
    ...names.map((name) => step(`${path} ${name}`, `${path} ${name}`)),
    ...names.map((name) => step(`${path} help ${name}`, `${path} ${name} help`)),
  ];
}

function step(words: string, command: string): string {
  return `            "${words}") cmd="${command}" ;;`;
}

function completionsOf(command: CommandSpec): string {
  const valued = optionsWithValue(command);
  const lines = [`        "${command.path}")`];
  if (valued.length > 0) lines.push('            case "$prev" in', ...valued.map(valueCase), '            esac');
  const options = `_kwctl_words ${lineList(optionWords(command))}`;
  lines.push('            case "$cur" in', `                -*) ${options} ;;`);
  const other = positionalAction(command);
  if (other !== undefined) lines.push(`                *) ${other} ;;`);
  return [...lines, '            esac', '            ;;'].join('\n');
}

function positionalAction(command: CommandSpec): string | undefined {
  if (command.subcommands !== undefined) return `_kwctl_words ${lineList(subcommandWords(command))}`;
  const positional = command.positionals.find(({ completes }) => completes !== undefined);
  if (positional !== undefined) return actionOf(positional.completes);
  return command.positionals.length === 0 ? `_kwctl_words ${lineList(optionWords(command))}` : undefined;
}

function valueCase(option: OptionSpec): string {
  const action =
    option.values === undefined
      ? actionOf(option.completes)
      : `_kwctl_words ${lineList(option.values.map((text) => ({ text })))}`;
  return `                ${optionNames(option).join('|')}) ${action}; return ;;`;
}

function actionOf(completes: Completion | undefined): string {
  if (completes === undefined) return ':';
  return completes === 'folder' ? '_kwctl_folders' : '_kwctl_files';
}

function helpOf(command: CommandSpec): string {
  return `        "${command.path} help")\n            _kwctl_words ${lineList(subcommandWords(command))}\n            ;;`;
}

/** One word a line, as `compgen` is told to read them. */
function lineList(words: readonly Pick<Word, 'text'>[]): string {
  return `$'${words.map(({ text }) => text).join('\\n')}'`;
}
