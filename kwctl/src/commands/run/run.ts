import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
export async function run(_g: CommandArguments, _c: CommandContext): Promise<void> {}
