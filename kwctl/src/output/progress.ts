import { Writable } from 'node:stream';
import type { DownloadProgress } from '@portcullis/artifact';
import type { Environment } from '../environment.ts';
import { formatBytes } from './byte-size.ts';
import { printable } from './log.ts';

/** What a terminal shows while a policy is pulled. */
export interface PullProgress {
  onProgress(progress: DownloadProgress): void;
  /** Clears the line, for whoever writes a line of its own. */
  interrupt(): void;
  succeed(): void;
  fail(reason: string): void;
}

const SILENT: PullProgress = {
  onProgress: () => undefined,
  interrupt: () => undefined,
  succeed: () => undefined,
  fail: () => undefined,
};

const FRAMES = ['⠁', '⠂', '⠄', '⡀', '⢀', '⠠', '⠐', '⠈'];
const BAR_WIDTH = 24;
const CLEAR_LINE = '\r\u001b[K';

/**
 * Shows that a policy is pulled, and how far that is. Off a terminal nothing is shown: logs and pipes stay as they are.
 * Whatever follows begins on a line of its own.
 */
export async function startPullProgress(uri: string, { terminal, writeError }: Environment): Promise<PullProgress> {
  if (!terminal.isStderrTerminal) return SILENT;
  const { SingleBar } = await import('cli-progress');
  const name = printable(uri);
  let frames = 0;
  const bar = new SingleBar({
    format: (_options, { value, total }) =>
      `${FRAMES[frames++ % FRAMES.length]} Pulling policy from ${name}${shownProgress(value, total)}`,
    stream: terminalStream(writeError),
    clearOnComplete: true,
    forceRedraw: true,
    // The terminal stays as it is, so that nothing has to be put right when somebody interrupts.
    linewrap: true,
    gracefulExit: false,
  });
  bar.start(0, 0);
  const end = (text: string): void => {
    bar.stop();
    writeError(`${CLEAR_LINE}${text}\n`);
  };
  return {
    onProgress({ receivedBytes, totalBytes }) {
      bar.setTotal(totalBytes ?? 0);
      bar.update(receivedBytes);
    },
    interrupt: () => writeError(CLEAR_LINE),
    succeed: () => end(`Successfully pulled policy from ${name}`),
    fail: (reason) => end(`Failed to pull policy: ${printable(reason)}`),
  };
}

/** Nothing before the first byte; without a total the bytes alone. */
function shownProgress(received: number, total: number): string {
  if (received === 0) return '';
  if (total === 0) return ` ${formatBytes(received)}`;
  const filled = Math.round((Math.min(received, total) / total) * BAR_WIDTH);
  return ` [${'='.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${formatBytes(received)}/${formatBytes(total)}`;
}

/** What the bar needs of a terminal. */
function terminalStream(write: (text: string) => void): NodeJS.WritableStream {
  const stream = new Writable({
    decodeStrings: false,
    write(text: unknown, _encoding, done) {
      write(String(text));
      done();
    },
  });
  return Object.assign(stream, { isTTY: true });
}
