import { clientTimeoutMs } from './request-target.ts';

/** The answer must reach the client before it stops waiting, on a busy machine too. */
const MARGIN = 0.1;
const MAX_MARGIN_MS = 250;

/**
 * How long one client waits for its answer: until it closes the connection, or until the time it named itself (`?timeout=`)
 * is nearly over. An answer after that is of no use to anybody, an error before it lets the API server act by its failure policy
 * and tell its user why.
 */
export class ClientPatience implements Disposable {
  readonly options: { readonly signal?: AbortSignal; readonly deadlineMs?: number };
  readonly #deadline = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(target: string, disconnected: AbortSignal | undefined) {
    const timeoutMs = clientTimeoutMs(target);
    if (timeoutMs === undefined) {
      this.options = disconnected === undefined ? {} : { signal: disconnected };
      return;
    }
    const marginMs = Math.min(timeoutMs * MARGIN, MAX_MARGIN_MS);
    // Whoever still waits for a thread by then is told so (overload); later it was the policy that took too long.
    const deadlineMs = timeoutMs - marginMs;
    const { signal } = this.#deadline;
    this.#timer = setTimeout(() => this.#deadline.abort(), timeoutMs - marginMs / 2);
    this.options = {
      deadlineMs,
      signal: disconnected === undefined ? signal : AbortSignal.any([disconnected, signal]),
    };
  }

  /** Whether the time the client had named has passed. */
  get isOver(): boolean {
    return this.#deadline.signal.aborted;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
