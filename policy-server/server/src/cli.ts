import { writeFile } from 'node:fs/promises';
import { KUBEWARDEN_VERSION, systemErrorText } from '@portcullis/artifact';
import { regoBuiltinNames } from '@portcullis/evaluator';
import { parseCommandLine, type Command, type Environment } from './config/command-line.ts';
import { loadConfig, logConfig, type ServerConfig } from './config/config.ts';
import { helpMarkdown, helpText } from './config/help.ts';
import { ServerError } from './errors.ts';
import { formatPolicyTable } from './policy-table.ts';
import { startServer, type RunningServer, type ServerParts } from './server.ts';
import { LineBatch } from './telemetry/line-batch.ts';
import { createLog, logFor } from './telemetry/log.ts';
import { VERSION } from './version.ts';

type StopSignal = 'SIGTERM' | 'SIGINT';

/** The process around the server, as far as the server may see it. */
export interface ProcessHost {
  readonly argv: readonly string[];
  readonly env: Environment;
  /** Home folder of the user, if there is one. */
  readonly home: string | undefined;
  readonly cpus: number;
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown };
  /** Milliseconds since the epoch, with a fraction. */
  readonly wallClockMs: () => number;
  /** Calls back once, on the first request to stop. */
  readonly onStop: (listener: (signal: StopSignal) => void) => void;
  /** Calls back when the process ends, for whatever reason; nothing asynchronous is done any more. */
  readonly onExit: (listener: () => void) => void;
}

/** Runs the command line to its end and returns the exit code. A mistake of the operator's is a text, not a stack trace. */
export async function runCommandLine(host: ProcessHost): Promise<number> {
  try {
    await execute(parseCommandLine(host.argv, host.env), host);
    return 0;
  } catch (error) {
    return reportFailure(error, host);
  }
}

async function execute(command: Command, host: ProcessHost): Promise<void> {
  switch (command.kind) {
    case 'help':
      host.stdout.write(helpText());
      return;
    case 'version':
      host.stdout.write(`policy-server ${VERSION}\n`);
      if (command.long) host.stdout.write(await aboutText());
      return;
    case 'docs':
      await writeDocs(command.output);
      return;
    case 'serve':
      await serve(command, host);
  }
}

/** What the long form of the version adds, in the layout scripts read from `kwctl info`. */
async function aboutText(): Promise<string> {
  const builtins = (await regoBuiltinNames()).map((name) => `  - ${name}\n`);
  const heading = 'Open Policy Agent/Gatekeeper implemented builtins:';
  return `compatible with Kubewarden ${KUBEWARDEN_VERSION}\n\n${heading}\n${builtins.join('')}`;
}

async function serve({ flags, given }: Extract<Command, { kind: 'serve' }>, host: ProcessHost): Promise<void> {
  const stop = stopRequest(host);
  const config = await loadConfig(flags, given, {
    cpus: host.cpus,
    env: host.env,
    home: host.home,
  });
  const { level, format, noColour } = logConfig(flags);
  const isTerminal = host.stdout.isTTY === true;
  using lines = new LineBatch((text) => host.stdout.write(text));
  host.onExit(() => lines.flush());
  const write = (line: string): void => lines.add(line);
  const log = createLog({ level, format, colour: isTerminal && !noColour, write, nowMs: host.wallClockMs });
  const server = await startUnlessStopped(config, { log, stop: stop.signal });
  if (server === undefined) return;
  // What was logged before comes before.
  lines.flush();
  if (isTerminal || flags['print-policies']) host.stdout.write(formatPolicyTable(server.policies));
  const signal = await stop.received;
  // A person at a terminal waits for nobody; whoever sends SIGTERM first has to stop sending us requests.
  await server.close({ delayMs: signal === 'SIGTERM' ? config.shutdownDelayMs : 0 });
}

interface StopRequest {
  readonly received: Promise<StopSignal>;
  /** Aborted at the same time. */
  readonly signal: AbortSignal;
}

/** Heard from the beginning: the first process of a container is not ended by signals it does not listen to. */
function stopRequest({ onStop }: ProcessHost): StopRequest {
  const controller = new AbortController();
  const { promise: received, resolve } = Promise.withResolvers<StopSignal>();
  onStop((signal) => {
    resolve(signal);
    controller.abort(new Error(`stopped by ${signal}`));
  });
  return { received, signal: controller.signal };
}

/** @returns undefined when the server was told to stop before it could serve */
async function startUnlessStopped(
  config: ServerConfig,
  parts: ServerParts & { readonly stop: AbortSignal },
): Promise<RunningServer | undefined> {
  try {
    return await startServer(config, parts);
  } catch (error) {
    if (error !== parts.stop.reason) throw error;
    logFor(parts.log, 'policy_server').warn('stopped before the policies were ready');
    return undefined;
  }
}

async function writeDocs(path: string): Promise<void> {
  try {
    await writeFile(path, helpMarkdown());
  } catch (error) {
    throw new ServerError('output-unwritable', `cannot write ${path}: ${systemErrorText(error)}`, { cause: error });
  }
}

function reportFailure(error: unknown, { stderr }: ProcessHost): number {
  if (!(error instanceof ServerError)) {
    const trace = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
    stderr.write(`${trace}\nError: internal error, please report it with the lines above\n`);
    return 1;
  }
  if (error.code === 'usage') {
    stderr.write(`${error.message}\n`);
    return 2;
  }
  for (const detail of error.details) stderr.write(`${detail}\n`);
  stderr.write(`Error: ${error.message}\n`);
  return 1;
}
