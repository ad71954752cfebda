/**
 * A guest's standard input: a pipe in memory whose end is never final. A read of the empty pipe returns nothing (end of file),
 * and a later read sees what was appended since; WASI policies get the answers of their host calls that way.
 */
export class Stdin {
  #chunks: Uint8Array[] = [];
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
  }

  /** Makes it as if nothing had been appended. */
  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#size = 0;
  }

  /** Fills `target` as far as possible and returns the number of bytes read. */
  readInto(target: Uint8Array): number {
    let read = 0;
    while (read < target.length && this.#size > 0) {
      const head = this.#chunks[0];
      if (head === undefined) break;
      const part = head.subarray(this.#first, this.#first + target.length - read);
      target.set(part, read);
      read += part.length;
      this.#take(head, part.length);
    }
    return read;
  }

  #take(head: Uint8Array, count: number): void {
    this.#size -= count;
    this.#first += count;
    if (this.#first < head.length) return;
    this.#chunks.shift();
    this.#first = 0;
  }
}
