import { setTimeout as sleep } from 'node:timers/promises';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const LAST_MOMENT_MS = 1000;

/** Runs work that would leave something behind if it were cut off. */
export type Interruptible = <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * The first signal that asks this program to end aborts the work; when that has put things right, the program ends by the same
 * signal, as shells and pipelines expect. The second one ends it at once.
 */
export const interruptible: Interruptible = async (work) => {
  const control = new AbortController();
  let caught: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    stopListening();
    caught = signal;
    control.abort(new Error(`interrupted by ${signal}`));
  };
  const stopListening = (): void => {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    return await work(control.signal);
  } finally {
    stopListening();
    if (caught !== undefined) {
      process.kill(process.pid, caught);
      // Whoever else listens, such as what measures coverage, ends the program a moment later.
      await sleep(LAST_MOMENT_MS);
    }
  }
};
