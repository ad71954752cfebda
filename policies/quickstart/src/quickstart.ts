import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareExamples } from './example-policies.ts';
import { runServer } from './server-process.ts';

const SERVER = fileURLToPath(new URL('../../../node_modules/.bin/policy-server', import.meta.url));
const OUTPUT_DIR = fileURLToPath(new URL('../build', import.meta.url));
const SAMPLE = fileURLToPath(new URL('../pod.json', import.meta.url));

const ADDRESS = '127.0.0.1';
const TABLE_HEAD = /^POLICY\s/;

export interface QuickstartOptions {
  /** @default 3000 */
  readonly port: number;
  /** @default 8081 */
  readonly readinessPort: number;
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
  const writeLine = (line: string): void => write(`${line}\n`);
  const { policiesPath, count } = await prepareExamples({ cacheDir, outputDir: OUTPUT_DIR, writeProgress: writeLine });
  writeLine('');
  const url = `http://${ADDRESS}:${port}/validate/pod-privileged`;
  const sample = relative(folder, SAMPLE) || SAMPLE;
  const hint = `\nAsk it whether a privileged Pod may run:\n\n  curl -s -H 'Content-Type: application/json' -d @${sample} ${url}\n\nCtrl-C stops it.\n`;
  const afterTable = createTableWatch(count, () => writeLine(hint));
  return runServer({
    command: SERVER,
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
