/** Lines beyond so many characters are not kept for later. */
const MAX_PENDING_LENGTH = 64 * 1024;

/**
 * Hands on the lines of one turn of the event loop in one piece: a system call for each of them would cost a busy server more than
 * making them. Whoever ends the process flushes first.
 */
export class LineBatch implements Disposable {
  readonly #write: (text: string) => unknown;
  readonly #later: (flush: () => void) => unknown;
  #pending = '';

  /** @param later - calls back when the turn is over. */
  constructor(write: (text: string) => unknown, later: (flush: () => void) => unknown = setImmediate) {
    this.#write = write;
    this.#later = later;
  }

  add(line: string): void {
    const isFirst = this.#pending === '';
    this.#pending += line;
    if (this.#pending.length > MAX_PENDING_LENGTH) this.flush();
    else if (isFirst) this.#later(() => this.flush());
  }

  flush(): void {
    if (this.#pending === '') return;
    const text = this.#pending;
    this.#pending = '';
    this.#write(text);
  }

  [Symbol.dispose](): void {
    this.flush();
  }
}
