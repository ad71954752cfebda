import { commandName, loadCommand, type CommandArguments, type CommandSpec } from './command.ts';
import { LevelParser } from './level-parser.ts';
import { similarTo } from './similarity.ts';
import * as usage from './usage-error.ts';

/** What a command line asks for. */
export type CommandLine =
  | { readonly kind: 'help'; readonly command: CommandSpec; readonly long: boolean }
  /** No arguments at all: the short help belongs on stderr. */
  | { readonly kind: 'nothing'; readonly command: CommandSpec }
  | { readonly kind: 'version'; readonly long: boolean }
  | {
      readonly kind: 'command';
      readonly command: CommandSpec;
      readonly arguments: CommandArguments;
      readonly globals: CommandArguments;
    };

/**
 * Reads a command line by a command table, with the rules and error texts of clap 4: options in any order, `--x=v`,
 * `-xv`, `-x=v`, grouped flags, `--` ends options, an option is given once.
 *
 * @throws UsageError
 */
export async function parseCommandLine(root: CommandSpec, args: readonly string[]): Promise<CommandLine> {
  return args.length === 0 ? { kind: 'nothing', command: root } : parseLevel(root, args);
}

/** @param globals - what stood before the first subcommand. */
async function parseLevel(
  command: CommandSpec,
  args: readonly string[],
  globals?: CommandArguments,
): Promise<CommandLine> {
  const entries = command.subcommands?.filter((entry) => args.includes(commandName(entry))) ?? [];
  const named = await Promise.all(entries.map(loadCommand));
  const level = new LevelParser(command, args, named);
  const outcome = level.run();
  if (outcome !== undefined) return outcome;
  const given = level.given();
  if (command.subcommands === undefined) {
    return { kind: 'command', command, arguments: given, globals: globals ?? given };
  }
  const name = args[level.position];
  if (name === undefined) throw usage.missingSubcommand(command);
  const rest = args.slice(level.position + 1);
  if (name === 'help') return helpFor(command, rest);
  const subcommand = named.find((candidate) => commandName(candidate) === name);
  if (subcommand === undefined) throw unknownSubcommand(command, name);
  return parseLevel(subcommand, rest, globals ?? given);
}

function unknownSubcommand(parent: CommandSpec, name: string): usage.UsageError {
  const similar = similarTo(name, [...(parent.subcommands ?? []).map(commandName), 'help']);
  return usage.unrecognizedSubcommand(parent, {
    text: name,
    tips: similar.length === 0 ? [] : [usage.similarTip('subcommand', similar)],
  });
}

async function helpFor(parent: CommandSpec, names: readonly string[]): Promise<CommandLine> {
  let command = parent;
  for (const name of names) {
    if (name === 'help' && command === parent) continue;
    const next = command.subcommands?.find((candidate) => commandName(candidate) === name);
    if (next === undefined) throw usage.unrecognizedSubcommand(command, { text: name, tips: [] });
    command = await loadCommand(next);
  }
  return { kind: 'help', command, long: true };
}
