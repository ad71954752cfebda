import type { CommandArguments, CommandSpec } from './command-line/command.ts';
import { parseCommandLine, type CommandLine } from './command-line/parser.ts';
import { UsageError } from './command-line/usage-error.ts';
import { KWCTL } from './commands/table.ts';
import type { CommandContext, Environment } from './environment.ts';
import { createLog, printable } from './output/log.ts';
import { VERSION } from './version.ts';

/**
 * Runs one command line.
 *
 * @returns the exit code: 0 done (also when a policy rejects), 1 failed, 2 the command line is wrong
 */
export async function runCli(args: readonly string[], environment: Environment): Promise<number> {
  try {
    return await answer(await parseCommandLine(KWCTL, args), environment);
  } catch (error) {
    if (error instanceof UsageError) {
      environment.writeError(`${error.message}\n`);
      return 2;
    }
    environment.writeError(`Error: ${errorText(error)}\n`);
    return 1;
  }
}

async function answer(line: CommandLine, environment: Environment): Promise<number> {
  switch (line.kind) {
    case 'nothing':
      environment.writeError(await help(line.command, false));
      return 2;
    case 'help':
      environment.write(await help(line.command, line.long));
      return 0;
    case 'version':
      environment.write(line.long ? longVersion() : `kwctl ${VERSION}\n`);
      return 0;
    case 'command':
      await runCommand(line.command, line.arguments, commandContext(environment, line.globals));
      return 0;
  }
}

async function runCommand(command: CommandSpec, given: CommandArguments, context: CommandContext): Promise<void> {
  const { ROUTES } = await import('./commands/routes.ts');
  const load = ROUTES.get(command.path);
  if (load === undefined) throw new TypeError(`${command.path} leads nowhere`);
  const carryOut = await load();
  return carryOut(given, context);
}

function commandContext(environment: Environment, globals: CommandArguments): CommandContext {
  const { env, terminal } = environment;
  const noColor = globals.options.has('no-color') || (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  const log = createLog({
    write: environment.writeError,
    now: environment.now,
    level: globals.options.has('verbose') ? 'debug' : 'info',
    directives: env['RUST_LOG'],
    color: terminal.isStderrTerminal && !noColor,
  });
  return { environment, log, colorsStdout: terminal.stdoutColumns !== undefined && !noColor };
}

async function help(command: CommandSpec, isLong: boolean): Promise<string> {
  const { helpText } = await import('./command-line/help.ts');
  return helpText(command, isLong);
}

function longVersion(): string {
  return `kwctl ${VERSION}\n\nUse the \`info\` command to display system information, such as the builtins available to Rego policies.\n\n`;
}

/** What goes wrong with somebody's files, registries and policies; their messages say all there is to say. */
const FORESEEN: readonly string[] = [
  'KwctlError',
  'ArtifactError',
  'CapabilityError',
  'EvaluationError',
  'YamlError',
  'JsonError',
  'Utf8Error',
  'ModuleError',
  'CapabilityPatternError',
  'ImageReferenceError',
];

/**
 * An operator's mistake is never a stack trace; a mistake of ours is one, so that it can be reported. Policies and registries have
 * a say in many messages, and none in what the terminal does.
 */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  const isForeseen = FORESEEN.includes(error.name) || 'syscall' in error;
  return printable(isForeseen ? error.message : (error.stack ?? error.message));
}
