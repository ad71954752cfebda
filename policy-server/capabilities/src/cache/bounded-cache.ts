import { LRUCache } from 'lru-cache';

export interface CacheBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** After this long an entry is gone, whether anybody asks for it or not. `undefined` = space decides. */
  readonly maxAgeMs: number | undefined;
}

export interface CacheSize {
  readonly entries: number;
  readonly bytes: number;
}

const SWEEP_MS = 30_000;
/** What an entry takes besides what `sizeOf` says. */
const ENTRY_BYTES = 512;

/** A cache bounded in entries, bytes and time. */
export class BoundedCache<T extends object> implements Disposable {
  readonly #entries: LRUCache<string, T>;
  readonly #sweep: NodeJS.Timeout;

  constructor(bounds: CacheBounds, sizeOf: (value: T) => number, nowMs: () => number) {
    this.#entries = new LRUCache<string, T>({
      max: bounds.maxEntries,
      maxSize: bounds.maxBytes,
      sizeCalculation: (value) => sizeOf(value) + ENTRY_BYTES,
      ttl: bounds.maxAgeMs ?? 0,
      ttlResolution: 0,
      perf: { now: nowMs },
    });
    // Keys are made by others: what nobody asks for again must go, too.
    this.#sweep = setInterval(() => this.#entries.purgeStale(), SWEEP_MS).unref();
  }

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: T): void {
    this.#entries.set(key, value);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  get size(): CacheSize {
    return { entries: this.#entries.size, bytes: this.#entries.calculatedSize };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
    this.#entries.clear();
  }
}
