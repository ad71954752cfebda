import { commandsBelow, optionValue, type CommandArguments, type CommandSpec } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KWCTL } from '../table.ts';
import { bashCompletions } from './bash.ts';
import type { SHELLS } from './command.ts';
import { elvishCompletions } from './elvish.ts';
import { fishCompletions } from './fish.ts';
import { powershellCompletions } from './powershell.ts';
import { zshCompletions } from './zsh.ts';

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], (commands: readonly CommandSpec[]) => string>> = {
  bash: bashCompletions,
  elvish: elvishCompletions,
  fish: fishCompletions,
  powershell: powershellCompletions,
  zsh: zshCompletions,
};

/** `kwctl completions`: the script with which a shell completes command lines of kwctl. */
export async function completions(given: CommandArguments, { environment }: CommandContext): Promise<void> {
  const commands = await commandsBelow(KWCTL);
  const script = new Map(Object.entries(SCRIPTS)).get(optionValue(given, 'shell') ?? '');
  if (script !== undefined) environment.write(script(commands));
}
