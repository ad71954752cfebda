import type { CommandSpec, OptionSpec } from '../../command-line/command.ts';
import { optionNames, optionsWithValue, optionWords, parents, subcommandWords, type Word } from './words.ts';

export function elvishCompletions(commands: readonly CommandSpec[]): string {
  return `# elvish completion for kwctl

use builtin
use str

set edit:completion:arg-completer[kwctl] = {|@words|
    fn offer {|text help|
        edit:complex-candidate $text &display=$text' '$help
    }
    var subcommands = [
${parents(commands)
  .map((command) => entry(command.path, subcommandWords(command)))
  .join('\n')}
    ]
    var options = [
${commands.map((command) => entry(command.path, optionWords(command))).join('\n')}
    ]
    var values = [
${commands.flatMap((command) => optionsWithValue(command).flatMap((option) => valueEntries(command, option))).join('\n')}
    ]

    var path = kwctl
    for word $words[1..-1] {
        if (and (eq $word help) (has-key $subcommands $path)) {
            continue
        }
        if (has-key $options $path' '$word) {
            set path = $path' '$word
        }
    }

    var previous = $path' '$words[-2]
    if (has-key $values $previous) {
        $values[$previous]
    } elif (str:has-prefix $words[-1] -) {
        $options[$path]
    } elif (has-key $subcommands $path) {
        $subcommands[$path]
    } else {
        edit:complete-filename $words[-1]
    }
}
`;
}

function entry(key: string, words: readonly Word[]): string {
  const offers = words.map(({ text, help }) => `            offer ${quoted(text)} ${quoted(help)}`);
  return `        &${quoted(key)}={\n${offers.join('\n')}\n        }`;
}

function valueEntries(command: CommandSpec, option: OptionSpec): string[] {
  const words = option.values?.map((text) => ({ text, help: option.help })) ?? [];
  return words.length === 0 ? [] : optionNames(option).map((name) => entry(`${command.path} ${name}`, words));
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
