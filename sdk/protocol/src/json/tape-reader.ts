import { decodeUtf8 } from '../utf8.ts';
import { BACKSLASH, CLOSE_LIST, CLOSE_OBJECT, COLON, COMMA, OPEN_LIST, OPEN_OBJECT, QUOTE } from './characters.ts';
import {
  characterEnd,
  escapeLength,
  isCanonicalEscape,
  odd,
  skipPlain,
  skipWhitespace,
  unescapeInPlace,
} from './json-bytes.ts';
import { isNumberByte, numberFrom, ordinaryNumberEnd } from './number-bytes.ts';
import type { Tape } from './tape.ts';
import { compareKeys, sortMembers } from './tape-order.ts';
import {
  CANONICAL,
  DUPLICATES,
  FIRST,
  FLAGS,
  KEY_END,
  KEY_START,
  KEY_UNESCAPED,
  NEXT,
  NONE,
  STRINGS,
  VALUE_END,
  VALUE_START,
} from './tape-entry.ts';

const MAX_DEPTH = 127;
/** What stands deeper is not asked for by name: once it is known to be canonical its parts are forgotten. */
const KEPT_DEPTH = 4;
/** More is left to the tree, which has words for it. */
const MAX_OBJECTS = 500_000;
const SPACE = 0x20;

const TRUE = Uint8Array.from('true', (letter) => letter.charCodeAt(0));
const FALSE = Uint8Array.from('false', (letter) => letter.charCodeAt(0));
const NULL = Uint8Array.from('null', (letter) => letter.charCodeAt(0));

/** How strings are spelled. */
const PLAIN = 0;
const CANONICAL_ESCAPES = 1;
const ODD_ESCAPES = 2;

/**
 * Reads JSON texts onto a tape, each in one pass over its bytes. It refuses whatever {@link JsonReader} refuses (and a little more
 * that nobody sends), but cannot say why.
 */
export class TapeReader {
  readonly #tape: Tape;
  #at = 0;
  #objects = 0;
  /** How many things were met that are written otherwise in canonical form. */
  #blemishes = 0;
  /** How much longer than their literals the canonical spellings of numbers are. */
  #growth = 0;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  /** Reads a text and returns the entry of its value. @throws OddText */
  read(text: Uint8Array): number {
    const tape = this.#tape;
    tape.start(text);
    this.#at = 0;
    this.#objects = 0;
    this.#blemishes = 0;
    this.#growth = 0;
    const root = tape.newEntry();
    this.#skipWhitespace();
    this.#readValue(root, 0);
    this.#skipWhitespace();
    if (this.#at !== text.length) throw odd();
    tape.makeRoom(text.length + this.#growth);
    return root;
  }

  #skipWhitespace(): void {
    const end = skipWhitespace(this.#tape.bytes, this.#at);
    if (end === this.#at) return;
    this.#at = end;
    this.#blemishes++;
  }

  #readValue(entry: number, depth: number): void {
    const { bytes, fields } = this.#tape;
    const start = this.#at;
    fields[entry + VALUE_START] = start;
    if (bytes[start] === QUOTE) {
      const end = skipPlain(bytes, start + 1);
      if (bytes[end] === QUOTE) {
        fields[entry + VALUE_END] = end + 1;
        fields[entry + FLAGS] = (fields[entry + FLAGS] ?? 0) | CANONICAL;
        this.#at = end + 1;
        return;
      }
    }
    const blemishes = this.#blemishes;
    this.#readToken(entry, depth);
    if (this.#blemishes === blemishes) this.#tape.mark(entry, CANONICAL);
  }

  #readToken(entry: number, depth: number): void {
    switch (this.#tape.bytes[this.#at] ?? 0) {
      case QUOTE:
        return this.#readString(entry);
      case OPEN_OBJECT:
        return this.#readObject(entry, depth + 1);
      case OPEN_LIST:
        return this.#readList(entry, depth + 1);
      case 0x74:
        return this.#readWord(entry, TRUE);
      case 0x66:
        return this.#readWord(entry, FALSE);
      case 0x6e:
        return this.#readWord(entry, NULL);
      default:
        return this.#readNumber(entry);
    }
  }

  #readWord(entry: number, word: Uint8Array): void {
    for (let index = 0; index < word.length; index++) if (this.#tape.bytes[this.#at++] !== word[index]) throw odd();
    this.#tape.fields[entry + VALUE_END] = this.#at;
  }

  #readString(entry: number): void {
    const start = this.#at + 1;
    const spelling = this.#readQuoted(start);
    let end = this.#at - 1;
    if (spelling === ODD_ESCAPES) {
      end = unescapeInPlace(this.#tape.bytes, start, end);
      this.#blemishes++;
    }
    this.#tape.fields[entry + VALUE_END] = end + 1;
  }

  /** Reads the key of a member and the colon behind it. */
  #readKey(member: number): void {
    const { bytes, fields } = this.#tape;
    const start = this.#at + 1;
    const end = skipPlain(bytes, start);
    if (bytes[end] === QUOTE && bytes[end + 1] === COLON && bytes[start - 1] === QUOTE) {
      fields[member + KEY_START] = start;
      fields[member + KEY_END] = end;
      this.#at = end + 2;
    } else this.#readRareKey(member);
    if ((bytes[this.#at] ?? 0) <= SPACE) this.#skipWhitespace();
  }

  /** A key with escapes or characters beyond ASCII, or with white space behind it. */
  #readRareKey(member: number): void {
    if (this.#tape.bytes[this.#at] !== QUOTE) throw odd();
    const start = this.#at + 1;
    const spelling = this.#readQuoted(start);
    let end = this.#at - 1;
    if (spelling !== PLAIN) {
      // Keys are compared by what they stand for.
      end = unescapeInPlace(this.#tape.bytes, start, end);
      this.#tape.mark(member, KEY_UNESCAPED);
      this.#blemishes++;
    }
    this.#tape.fields[member + KEY_START] = start;
    this.#tape.fields[member + KEY_END] = end;
    this.#skipWhitespace();
    if (this.#tape.bytes[this.#at++] !== COLON) throw odd();
  }

  /** Goes behind the string whose first character is at `start`; returns how it is spelled. */
  #readQuoted(start: number): number {
    const { bytes } = this.#tape;
    let spelling = PLAIN;
    for (let at = start; ;) {
      at = skipPlain(bytes, at);
      const unit = bytes[at] ?? 0;
      if (unit === QUOTE) {
        this.#at = at + 1;
        return spelling;
      }
      if (unit >= 0x80) at = characterEnd(bytes, at);
      else if (unit === BACKSLASH) {
        const length = escapeLength(bytes, at);
        spelling = Math.max(spelling, isCanonicalEscape(bytes, at) ? CANONICAL_ESCAPES : ODD_ESCAPES);
        at += length;
      } else throw odd();
    }
  }

  #readNumber(entry: number): void {
    const end = ordinaryNumberEnd(this.#tape.bytes, this.#at);
    if (end === NONE) this.#readRareNumber();
    else this.#at = end;
    this.#tape.fields[entry + VALUE_END] = this.#at;
  }

  /** A number that may have to be spelled otherwise, or nothing that is a number. */
  #readRareNumber(): void {
    const start = this.#at;
    let end = start;
    while (isNumberByte(this.#tape.bytes[end] ?? 0)) end++;
    const literal = decodeUtf8(this.#tape.bytes.subarray(start, end));
    const { text } = numberFrom(literal);
    this.#at = end;
    if (text === literal) return;
    this.#growth += Math.max(0, text.length - literal.length);
    this.#blemishes++;
  }

  #readList(entry: number, depth: number): void {
    if (depth > MAX_DEPTH) throw odd();
    let flag = STRINGS;
    let previous = NONE;
    for (let more = this.#open(CLOSE_LIST); more; more = this.#goOn(CLOSE_LIST)) {
      if (this.#tape.bytes[this.#at] !== QUOTE) flag = 0;
      const item = this.#tape.newEntry();
      this.#readValue(item, depth);
      if (previous === NONE) this.#tape.fields[entry + FIRST] = item;
      previous = this.#follow(previous, item);
    }
    this.#tape.mark(entry, flag);
    this.#tape.fields[entry + VALUE_END] = this.#at;
  }

  /** Lets `item` follow `previous` in a list. Neighbours that are canonical, comma and all, become one entry. */
  #follow(previous: number, item: number): number {
    if (previous === NONE) return item;
    const { fields } = this.#tape;
    const both = (fields[previous + FLAGS] ?? 0) & (fields[item + FLAGS] ?? 0);
    if ((both & CANONICAL) !== 0 && (fields[previous + VALUE_END] ?? 0) + 1 === fields[item + VALUE_START]) {
      fields[previous + VALUE_END] = fields[item + VALUE_END] ?? 0;
      this.#tape.forget(item);
      return previous;
    }
    fields[previous + NEXT] = item;
    return item;
  }

  #readObject(entry: number, depth: number): void {
    if (depth > MAX_DEPTH || ++this.#objects > MAX_OBJECTS) throw odd();
    const blemishes = this.#blemishes;
    const inner = this.#tape.used;
    let previous = NONE;
    let isSorted = true;
    for (let more = this.#open(CLOSE_OBJECT); more; more = this.#goOn(CLOSE_OBJECT)) {
      const member = this.#tape.newEntry();
      this.#readKey(member);
      this.#readValue(member, depth);
      if (previous === NONE) this.#tape.fields[entry + FIRST] = member;
      else {
        this.#tape.fields[previous + NEXT] = member;
        if (isSorted && compareKeys(this.#tape.bytes, this.#tape.fields, previous, member) >= 0) isSorted = false;
      }
      previous = member;
    }
    this.#tape.fields[entry + VALUE_END] = this.#at;
    if (!isSorted) this.#sort(entry);
    else if (this.#blemishes === blemishes && depth > KEPT_DEPTH) {
      this.#tape.forget(inner);
      this.#tape.fields[entry + FIRST] = NONE;
    }
  }

  #sort(entry: number): void {
    this.#blemishes++;
    if (sortMembers(this.#tape, entry)) this.#tape.mark(entry, DUPLICATES);
  }

  /** Opens the object or list at the tape's place; `false` = it is empty, and closed again. */
  #open(close: number): boolean {
    this.#at++;
    if ((this.#tape.bytes[this.#at] ?? 0) <= SPACE) this.#skipWhitespace();
    if (this.#tape.bytes[this.#at] !== close) return true;
    this.#at++;
    return false;
  }

  /** Goes to the next member or item, or closes their object or list. */
  #goOn(close: number): boolean {
    const { bytes } = this.#tape;
    if ((bytes[this.#at] ?? 0) <= SPACE) this.#skipWhitespace();
    const unit = bytes[this.#at++];
    if (unit === COMMA) {
      if ((bytes[this.#at] ?? 0) <= SPACE) this.#skipWhitespace();
      return true;
    }
    if (unit !== close) throw odd();
    return false;
  }
}
