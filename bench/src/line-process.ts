import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';

const MAX_COMPLAINT_CHARS = 4000;

/**
 * A program that answers every line on its standard input with one line of JSON. It stays alive between rounds, so that compiling
 * and warming up happen once, and costs nothing while it waits for the next line.
 */
export class LineProcess implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<void>;
  #complaint = '';

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: 'pipe' });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#complaint = (this.#complaint + chunk.toString()).slice(-MAX_COMPLAINT_CHARS);
    });
    const reader = createInterface({ input: this.#child.stdout });
    this.#lines = reader[Symbol.asyncIterator]();
    // Whoever waits for a line learns of an early end; writing to a program that is gone is no further news.
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#complaint += error.message;
        reader.close();
        resolve();
      });
      this.#child.once('close', () => resolve());
    });
  }

  /** The next line it prints, as JSON. Rejects with what it complained of when it ended instead. */
  async next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return JSON.parse(value);
    await this.#ended;
    throw new Error(`${basename(this.#child.spawnfile)} ended without an answer: ${this.#complaint.trim()}`);
  }

  ask(line: string): Promise<unknown> {
    this.#child.stdin.write(`${line}\n`);
    return this.next();
  }

  /** Ends it by closing its input. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }
}
