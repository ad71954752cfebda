import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface ServerProcess {
  readonly command: string;
  readonly args: readonly string[];
  /** Called for every line the server prints. */
  readonly onLine: (line: string) => void;
}

/** A terminal, and the package manager above us, may report one Ctrl-C several times. */
const SAME_KEYSTROKE_MS = 500;

/**
 * Runs the server until it ends; answers its exit code. SIGINT and SIGTERM are passed on, so that it can finish the requests it
 * has; a second Ctrl-C ends it at once.
 */
export async function runServer({ command, args, onLine }: ServerProcess): Promise<number> {
  // In a process group of its own: the server gets each signal once, from us.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  let passedOnMs: number | undefined;
  const passOn = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    if (passedOnMs !== undefined && nowMs - passedOnMs < SAME_KEYSTROKE_MS) return;
    passedOnMs = nowMs;
    child.kill(signal);
  };
  const kill = (): void => void child.kill('SIGKILL');
  process.on('SIGINT', passOn).on('SIGTERM', passOn).on('exit', kill);
  try {
    createInterface({ input: child.stdout }).on('line', onLine);
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
    });
  } finally {
    process.off('SIGINT', passOn).off('SIGTERM', passOn).off('exit', kill);
  }
}
