import { parentPort, workerData } from 'node:worker_threads';

/** Absolute times in milliseconds since the epoch, with fractions. */
export interface Ticks {
  readonly firstMs: number;
  readonly intervalMs: number;
  readonly lastMs: number;
}

/**
 * A thread that sleeps until each send time and then wakes the driver. Timers of the event loop are a millisecond coarse, which
 * is a third of what the fastest answers take; a futex wakes within 0.1 ms and costs no CPU while it waits.
 */
const { firstMs, intervalMs, lastMs } = workerData as Ticks;
const cell = new Int32Array(new SharedArrayBuffer(4));

for (let index = 0; firstMs + index * intervalMs <= lastMs; index++) {
  const waitMs = firstMs + index * intervalMs - (performance.timeOrigin + performance.now());
  if (waitMs > 0) Atomics.wait(cell, 0, 0, waitMs);
  parentPort?.postMessage(index);
}
