import { clientTimeoutMs } from './request-target.ts';

/** The answer must reach the client before it stops waiting, on a busy machine too. */
const MARGIN = 0.1;
const MAX_MARGIN_MS = 250;

/** Calls back once the client has closed its connection without waiting for the answer. */
export type OnClientGone = (listener: () => void) => void;

/**
 * How long one client waits for its answer: until it closes the connection, or until the time it named itself (`?timeout=`)
 * is nearly over. An answer after that is of no use to anybody, an error before it lets the API server act by its failure policy
 * and tell its user why.
 */
export class ClientPatience implements Disposable {
  readonly options: { readonly signal: AbortSignal; readonly deadlineMs?: number };
  readonly #end = new AbortController();
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(target: string, onGone: OnClientGone | undefined) {
    const { signal } = this.#end;
    const timeoutMs = clientTimeoutMs(target);
    onGone?.(() => this.#end.abort());
    if (timeoutMs === undefined) {
      this.options = { signal };
      return;
    }
    const marginMs = Math.min(timeoutMs * MARGIN, MAX_MARGIN_MS);
    // Whoever still waits for a thread by then is told so (overload); later it was the policy that took too long.
    this.options = { signal, deadlineMs: timeoutMs - marginMs };
    this.#timer = setTimeout(() => this.#expire(), timeoutMs - marginMs / 2);
  }

  /** Whether the time the client had named has passed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #expire(): void {
    this.#isOver = true;
    this.#end.abort();
  }
}
