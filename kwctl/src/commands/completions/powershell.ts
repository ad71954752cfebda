import type { CommandSpec, OptionSpec } from '../../command-line/command.ts';
import { optionNames, optionsWithValue, optionWords, parents, subcommandWords, type Word } from './words.ts';

/** Where nothing is offered, PowerShell offers files of its own accord. */
export function powershellCompletions(commands: readonly CommandSpec[]): string {
  return `# PowerShell completion for kwctl
using namespace System.Management.Automation

Register-ArgumentCompleter -Native -CommandName 'kwctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $subcommands = @{
${parents(commands)
  .map((command) => table(command.path, subcommandWords(command)))
  .join('\n')}
    }
    $options = @{
${commands.map((command) => table(command.path, optionWords(command))).join('\n')}
    }
    $values = @{
${commands.flatMap((command) => optionsWithValue(command).flatMap((option) => valueLines(command, option))).join('\n')}
    }

    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    $path = 'kwctl'
    foreach ($word in $words | Select-Object -Skip 1) {
        if ($word -eq 'help' -and $subcommands.ContainsKey($path)) { continue }
        if ($options.ContainsKey("$path $word")) { $path = "$path $word" }
    }

    $previous = "$path $($words[-1])"
    $offered = if ($values.ContainsKey($previous)) {
        $values[$previous]
    } elseif ($wordToComplete.StartsWith('-')) {
        $options[$path]
    } else {
        $subcommands[$path]
    }
    $offered | Where-Object { $_ -and $_[0] -clike "$wordToComplete*" } | ForEach-Object {
        [CompletionResult]::new($_[0], $_[0], [CompletionResultType]::ParameterValue, $_[1])
    }
}
`;
}

function table(key: string, words: readonly Word[]): string {
  const rows = words.map(({ text, help }) => `            , @(${quoted(text)}, ${quoted(help)})`);
  return `        ${quoted(key)} = @(\n${rows.join('\n')}\n        )`;
}

function valueLines(command: CommandSpec, option: OptionSpec): string[] {
  const words = option.values?.map((text) => ({ text, help: option.help })) ?? [];
  return words.length === 0 ? [] : optionNames(option).map((name) => table(`${command.path} ${name}`, words));
}

/** Typographic quotes end a string of PowerShell, too. */
function quoted(text: string): string {
  return `'${text.replaceAll(/['\u2018-\u201b]/g, (quote) => quote + quote)}'`;
}
