import { unlessAborted } from '../unless-aborted.ts';

/** Tasks of which one at a time may run, by key. */
export class OneAtATime {
  readonly #last = new Map<string, Promise<void>>();

  async take<T>(key: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = before.then(() => promise);
    this.#last.set(key, mine);
    try {
      await unlessAborted(before, signal, 'a policy to be fetched');
      return await task();
    } finally {
      resolve();
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
