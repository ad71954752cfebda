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
    format: (_options, { value, total, maxWidth }) => {
      const text = `${FRAMES[frames++ % FRAMES.length]} Pulling policy from ${name}`;
      return fitted(text, progressTexts(value, total), maxWidth);
    },
    stream: terminalStream(writeError, terminal.stderrColumns ?? terminal.stdoutColumns),
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

/** How far it is, the most telling text first: nothing before the first byte, and no bar without a total. */
function progressTexts(received: number, total: number): readonly string[] {
  if (received === 0) return [''];
  if (total === 0) return [` ${formatBytes(received)}`];
  const filled = Math.round((Math.min(received, total) / total) * BAR_WIDTH);
  const sizes = `${formatBytes(received)}/${formatBytes(total)}`;
  return [` [${'='.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${sizes}`, ` ${sizes}`];
}

/** One line: long names are cut before the numbers are. */
function fitted(text: string, progress: readonly string[], width: number): string {
  const fitting = progress.find(({ length }) => text.length + length < width);
  if (fitting !== undefined) return text + fitting;
  const shortest = progress.at(-1) ?? '';
  return `${text.slice(0, Math.max(0, width - shortest.length - 2))}…${shortest}`;
}

/** What the bar needs of a terminal. */
function terminalStream(write: (text: string) => void, columns: number | undefined): NodeJS.WritableStream {
  const stream = new Writable({
    decodeStrings: false,
    write(text: unknown, _encoding, done) {
      write(String(text));
      done();
    },
  });
  return Object.assign(stream, { isTTY: true, columns });
}
