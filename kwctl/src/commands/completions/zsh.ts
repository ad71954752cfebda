import {
  commandName,
  positionalText,
  takesNext,
  type CommandSpec,
  type Completion,
  type OptionSpec,
} from '../../command-line/command.ts';
import { sortedOptions } from '../../command-line/reference.ts';
import { optionNames, parents, subcommandWords } from './words.ts';

/** To be sourced, or put into a file named `_kwctl` in a folder of `fpath`. */
export function zshCompletions(commands: readonly CommandSpec[]): string {
  return `#compdef kwctl

${commands.map(commandFunction).join('\n')}
${parents(commands).map(subcommandsFunction).join('\n')}
# 'help scaffold ...': the function that lists is named after the words.
_kwctl_help() {
    local list="$1" word
    for word in "\${(@)words[2,CURRENT-1]}"; do
        list="\${list}_\${word//-/_}"
    done
    (( $+functions[\${list}_subcommands] )) && "\${list}_subcommands"
}

_kwctl_nothing() { }

if [ "$funcstack[1]" = "_kwctl" ]; then
    _kwctl "$@"
else
    compdef _kwctl kwctl
fi
`;
}

function functionName(path: string): string {
  return `_${path.replaceAll(/[ -]/g, '_')}`;
}

function commandFunction(command: CommandSpec): string {
  const specs = sortedOptions(command).map((option) => optionSpec(option, command));
  const body = command.subcommands === undefined ? leafBody(command, specs) : parentBody(command, specs);
  return `${functionName(command.path)}() {\n${body}\n}\n`;
}

function leafBody(command: CommandSpec, specs: readonly string[]): string {
  const positionals = command.positionals.map((positional) => {
    const count = positional.repeatable === true ? '*' : '';
    return quoted(`${count}:${escapedMessage(positionalText(positional))}:${action(positional.completes)}`);
  });
  return argumentsCall('    ', [...specs, ...positionals]);
}

function parentBody(command: CommandSpec, specs: readonly string[]): string {
  const names = command.subcommands?.map(commandName) ?? [];
  const choices = names.map((name) => `                ${name}) ${functionName(`${command.path} ${name}`)} ;;`);
  return [
    '    local curcontext="$curcontext" state line',
    argumentsCall('    ', [...specs, quoted('1: :->subcommand'), quoted('*:: :->rest')], '-C '),
    '    case "$state" in',
    `        subcommand) ${functionName(command.path)}_subcommands ;;`,
    '        rest)',
    '            case "$words[1]" in',
    ...choices,
    `                help) _kwctl_help ${functionName(command.path)} ;;`,
    '            esac',
    '            ;;',
    '    esac',
  ].join('\n');
}

function subcommandsFunction(command: CommandSpec): string {
  const described = subcommandWords(command).map(({ text, help }) => quoted(`${text}:${escapedMessage(help)}`));
  return `${functionName(command.path)}_subcommands() {
    local -a subcommands=(${described.join(' ')})
    _describe -t commands 'subcommand' subcommands
}
`;
}

function argumentsCall(indent: string, specs: readonly string[], flags = ''): string {
  return `${indent}_arguments ${flags}-s -S ${specs.map((spec) => `\\\n${indent}    ${spec}`).join(' ')}`;
}

/** `'(-r --request-path)'{-r+,--request-path=}'[help]:PATH:_files'` */
function optionSpec(option: OptionSpec, command: CommandSpec): string {
  const names = optionNames(option);
  const excluded = option.repeatable === true ? '' : `(${[...names, ...conflicting(option, command)].join(' ')})`;
  const spelt = names.map((name) => name + valueMark(option, name)).join(',');
  const shown = names.length === 1 ? spelt : `{${spelt}}`;
  const prefix = quoted(option.repeatable === true ? '*' : excluded);
  return `${prefix}${shown}${quoted(`[${escapedMessage(option.help)}]${valueSpec(option)}`)}`;
}

function conflicting(option: OptionSpec, command: CommandSpec): string[] {
  const others = command.options.filter(
    (other) => option.conflictsWith?.includes(other.id) === true || other.conflictsWith?.includes(option.id) === true,
  );
  return others.flatMap(optionNames);
}

/** `=` and `+` let the value be attached or be the next argument. */
function valueMark(option: OptionSpec, name: string): string {
  if (!takesNext(option)) return '';
  return name.startsWith('--') ? '=' : '+';
}

function valueSpec(option: OptionSpec): string {
  if (!takesNext(option)) return '';
  const values = option.values === undefined ? action(option.completes) : `(${option.values.join(' ')})`;
  return `:${escapedMessage(option.valueName ?? '')}:${values}`;
}

function action(completes: Completion | undefined): string {
  if (completes === undefined) return '_kwctl_nothing';
  return completes === 'folder' ? '_files -/' : '_files';
}

function escapedMessage(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, (character) => `\\${character}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
