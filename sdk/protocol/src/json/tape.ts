import { odd } from './json-bytes.ts';
import { FIRST, FLAGS, NEXT, NONE, STRIDE } from './tape-entry.ts';

/** More is left to the tree. */
const MAX_FIELDS = STRIDE * (1 << 20);
const FIRST_FIELDS = STRIDE * (1 << 11);
const FIRST_BYTES = 1 << 16;
/** Larger arrays are given back: one large text must not cost memory for ever. */
const KEPT_FIELDS = STRIDE * (1 << 15);
const KEPT_BYTES = 1 << 20;

/**
 * One JSON text as a row of numbers: where its values are, and in which order its canonical form has them. There is no object for
 * any value.
 */
export class Tape {
  /** The text, a zero, then room for the canonical form. Keys and strings in it may have lost their escapes. */
  bytes = new Uint8Array();
  /** The entries. Both arrays are replaced by larger ones as need be. */
  fields = new Int32Array();
  /** Where the room for the canonical form begins. */
  roomStart = 0;
  #used = 0;

  /** Where the next entry will be. */
  get used(): number {
    return this.#used;
  }

  start(text: Uint8Array): void {
    this.#used = 0;
    this.roomStart = text.length + 1;
    this.makeRoom(text.length);
    this.bytes.set(text);
    this.bytes[text.length] = 0;
  }

  /** Makes room for a canonical form of so many bytes. */
  makeRoom(length: number): void {
    if (this.bytes.length >= this.roomStart + length) return;
    const larger = new Uint8Array(Math.max(this.roomStart + length, FIRST_BYTES));
    larger.set(this.bytes.subarray(0, this.roomStart));
    this.bytes = larger;
  }

  newEntry(): number {
    const entry = this.#used;
    this.#used += STRIDE;
    if (this.#used > this.fields.length) this.#growFields();
    const { fields } = this;
    fields[entry + FIRST] = NONE;
    fields[entry + NEXT] = NONE;
    fields[entry + FLAGS] = 0;
    return entry;
  }

  /** Forgets an entry and all that came after it. */
  forget(entry: number): void {
    this.#used = entry;
  }

  mark(entry: number, flag: number): void {
    this.fields[entry + FLAGS] = (this.fields[entry + FLAGS] ?? 0) | flag;
  }

  /** To be called once the canonical form was taken. */
  release(): void {
    if (this.bytes.length > KEPT_BYTES) this.bytes = new Uint8Array();
    if (this.fields.length > KEPT_FIELDS) this.fields = new Int32Array();
  }

  #growFields(): void {
    if (this.fields.length >= MAX_FIELDS) throw odd();
    const larger = new Int32Array(Math.max(this.fields.length * 2, FIRST_FIELDS));
    larger.set(this.fields);
    this.fields = larger;
  }
}
