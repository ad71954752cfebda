import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QuickstartError } from './command-line.ts';
import type { Ports } from './command-line.ts';
import { prepareExamples } from './example-policies.ts';
import { portProblem } from './ports.ts';
import { runServer } from './server-process.ts';

const WORKSPACE = fileURLToPath(new URL('../../../', import.meta.url));
const OUTPUT_DIR = fileURLToPath(new URL('../build', import.meta.url));
const SAMPLE = fileURLToPath(new URL('../pod.json', import.meta.url));

const ADDRESS = '127.0.0.1';
const TABLE_HEAD = /^POLICY\s/;

export interface QuickstartOptions extends Ports {
  readonly cacheDir: string;
  /** Where the user stands: paths to paste are relative to it. */
  readonly folder: string;
  readonly write: (text: string) => void;
}

/** Builds the example policies and serves them until it is told to stop; answers the exit code. */
export async function runQuickstart({
  port,
  readinessPort,
  cacheDir,
  folder,
  write,
}: QuickstartOptions): Promise<number> {
  await checkPort('--port', port);
  await checkPort('--readiness-probe-port', readinessPort);
  const writeLine = (line: string): void => write(`${line}\n`);
  const { policiesPath, count } = await prepareExamples({ cacheDir, outputDir: OUTPUT_DIR, writeProgress: writeLine });
  writeLine('');
  const url = `http://${ADDRESS}:${port}/validate/pod-privileged`;
  const sample = relative(folder, SAMPLE) || SAMPLE;
  const hint = `\nAsk it whether a privileged Pod may run:\n\n  curl -s -H 'Content-Type: application/json' -d @${sample} ${url}\n\nCtrl-C stops it.\n`;
  const afterTable = createTableWatch(count, () => writeLine(hint));
  return runServer({
    command: join(WORKSPACE, 'node_modules', '.bin', 'policy-server'),
    // One flag and its value on a line.
    args: [
      ['--addr', ADDRESS],
      ['--port', String(port)],
      ['--readiness-probe-port', String(readinessPort)],
      ['--policies', policiesPath],
      ['--print-policies'],
    ].flat(),
    onLine: (line) => {
      writeLine(line);
      afterTable(line);
    },
  });
}

async function checkPort(flag: string, port: number): Promise<void> {
  const problem = await portProblem(ADDRESS, port);
  if (problem === undefined) return;
  throw new QuickstartError(`port ${port} of ${ADDRESS} ${problem}, or choose another: pnpm start ${flag} <port>`);
}

/** The server prints its table when it is ready; what is to stand below it waits for the last row. */
function createTableWatch(rows: number, callback: () => void): (line: string) => void {
  let left: number | undefined;
  return (line) => {
    if (left === undefined) {
      if (TABLE_HEAD.test(line)) left = rows;
      return;
    }
    left -= 1;
    if (left === 0) callback();
  };
}
