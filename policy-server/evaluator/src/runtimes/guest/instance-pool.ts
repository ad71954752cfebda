import { collectGarbage } from '../../garbage.ts';
import type { ThreadContext } from '../runtime.ts';

/** Numbers of a thread's instance pool, and the clock it goes by. */
export interface InstancePoolOptions {
  /** What images and their instances may take together, over all modules of the thread. */
  readonly maxBytes: number;
  /** How long what nobody uses is kept. */
  readonly idleMs: number;
  /** Whenever sweeps have dropped this much, garbage is collected. */
  readonly garbageBytes: number;
  /** How long an image is used before start code runs again. */
  readonly renewalMs: number;
  /** Pages behind an image that an evaluation may grow into without costing its instance. */
  readonly roomPages: number;
  /** The same for evaluations that are known to need more. */
  readonly largeRoomPages: number;
  /** Monotonic. */
  readonly nowMs: () => number;
}

/** Measured on two shared cores with Node 26; what is compared ran interleaved. */
export const INSTANCE_POOL_DEFAULTS: InstancePoolOptions = {
  // What they could take, not what they do: pages nobody wrote to take nothing. A policy of the Rust SDK counts 1.5 MB with its
  // image and takes 0.1, one in TypeScript 2.3 MB, one in Go 6 MB: room for fifty or so at a time.
  maxBytes: 128 * 1024 * 1024,
  // Making an instance anew costs 0.1 ms from an image and 0.2 to 5 ms with start code: nobody notices that a few times a minute.
  // Thirteen policies, four of them on a Go program of 3 MB and two on one of 19 MB, hold 22 MB on each thread: the server takes
  // 297 MB after load and 229 once they are gone.
  idleMs: 15_000,
  garbageBytes: 4 * 1024 * 1024,
  // Start code again, once in ten minutes, cannot be measured; seeds of hash tables live no longer than that.
  renewalMs: 600_000,
  // Putting a page back costs 0.7 µs even if it was not used: without room a small Rust policy takes 47 µs (p50), with 4 pages 49,
  // with 8 pages 52, with 16 pages 58. Requests of 14 kB need one page, of 80 kB four; growing beyond costs a new instance, which
  // makes 88 µs 250 (p50), and the mean four times that by the garbage it leaves.
  roomPages: 4,
  // Requests of 320 kB in our own policies, 240 kB in those of the Rust SDK. Putting it back costs 20 µs, a twentieth of evaluating
  // such a request.
  largeRoomPages: 32,
  nowMs: () => performance.now(),
};

/** One user of the pool: the instances of one module. */
export interface Shelf {
  /** Since when the instance that would be dropped first has been idle; `undefined` = none is. */
  readonly oldestIdleSinceMs: number | undefined;
  /** Drops that instance, and whatever is worth keeping only as long as there are idle ones. */
  dropOldest(): void;
  /** Drops what is idle or old for too long; `false` = nothing is left that a later sweep could drop. */
  sweep(nowMs: number): boolean;
}

/**
 * Bounds what images and instances of all modules of a thread take together: beyond the bound the instances idle longest go
 * first, and after a while all idle ones. Those at work are counted, too, but only giving them back can drop them.
 */
export class InstancePool {
  readonly options: InstancePoolOptions;
  readonly #shelves = new Set<Shelf>();
  #sizeBytes = 0;
  /** Dropped by sweeps since garbage was collected. */
  #sweptBytes = 0;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: Partial<InstancePoolOptions> = {}) {
    this.options = { ...INSTANCE_POOL_DEFAULTS, ...options };
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** A shelf has something more to keep: makes place for it. */
  add(shelf: Shelf, bytes: number): void {
    this.#sizeBytes += bytes;
    this.#shelves.add(shelf);
    // Must not keep alive a thread that has nothing else to do.
    this.#sweeper ??= setInterval(() => this.sweep(), Math.max(1, this.options.idleMs / 2)).unref();
    this.fit();
  }

  /** A shelf dropped something. */
  remove(bytes: number): void {
    this.#sizeBytes -= bytes;
  }

  /** Drops idle instances until all is within the bound, or none is idle. */
  fit(): void {
    while (this.#sizeBytes > this.options.maxBytes) {
      const shelf = this.#shelfOfOldest();
      if (shelf === undefined) return;
      shelf.dropOldest();
    }
  }

  /** Drops what is idle or old for too long. The pool does so itself from time to time. */
  sweep(): void {
    const nowMs = this.options.nowMs();
    const sizeBytes = this.#sizeBytes;
    for (const shelf of this.#shelves) {
      if (!shelf.sweep(nowMs)) this.#shelves.delete(shelf);
    }
    this.#collect(sizeBytes - this.#sizeBytes);
    if (this.#shelves.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  #collect(droppedBytes: number): void {
    this.#sweptBytes += droppedBytes;
    if (this.#sweptBytes < this.options.garbageBytes) return;
    this.#sweptBytes = 0;
    collectGarbage();
  }

  #shelfOfOldest(): Shelf | undefined {
    let oldest: Shelf | undefined;
    let oldestMs = Infinity;
    for (const shelf of this.#shelves) {
      const sinceMs = shelf.oldestIdleSinceMs ?? Infinity;
      if (sinceMs >= oldestMs) continue;
      oldest = shelf;
      oldestMs = sinceMs;
    }
    return oldest;
  }
}

const pools = new WeakMap<ThreadContext, InstancePool>();

/** The pool all runtimes of a thread share. */
export function instancePoolOf(thread: ThreadContext): InstancePool {
  let pool = pools.get(thread);
  if (pool === undefined) {
    pool = new InstancePool(thread.instancePool);
    pools.set(thread, pool);
  }
  return pool;
}
