import { JSON } from "json-as";

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, OPEN_LIST = 0x5b, BACKSLASH = 0x5c, CLOSE_LIST = 0x5d, OPEN = 0x7b, CLOSE = 0x7d;

/** Walks over the members of an object, or the elements of a list, in JSON text. */
export class Members {
  readonly isObject: bool;
  /** First character of the current member; of the closing bracket when there is none left. */
  start: i32;
  valueStart: i32 = 0;
  valueEnd: i32 = 0;
  /** Members seen, the current one included. */
  count: i32 = 0;
  private keyEnd: i32 = 0;
  /** The comma before the current member and the one after it, or -1. */
  private commaBefore: i32 = -1;
  private commaAfter: i32 = -1;

  /** `container` is where the object or list begins. */
  constructor(
    readonly text: string,
    container: i32,
  ) {
    const open = charAt(text, container);
    if (open != OPEN && open != OPEN_LIST) throw new Error(`neither object nor list at character ${container}`);
    this.isObject = open == OPEN;
    this.start = skipSpace(text, container + 1);
  }

  /** The key of the current member, or the index of the current element. */
  get key(): string {
    if (!this.isObject) return (this.count - 1).toString();
    const raw = this.text.substring(this.start + 1, this.keyEnd - 1);
    return raw.includes("\\") ? JSON.parse<string>(this.text.substring(this.start, this.keyEnd)) : raw;
  }

  /** What goes when the current member goes: itself and one comma. */
  get removalStart(): i32 {
    return this.commaBefore >= 0 ? this.commaBefore : this.start;
  }

  get removalEnd(): i32 {
    return this.commaBefore < 0 && this.commaAfter >= 0 ? this.commaAfter + 1 : this.valueEnd;
  }

  /** Goes to the next member; false if there is none. */
  next(): bool {
    const text = this.text;
    if (this.count > 0) {
      if (this.commaAfter < 0) return this.finish(skipSpace(text, this.valueEnd));
      this.commaBefore = this.commaAfter;
      this.start = skipSpace(text, this.commaAfter + 1);
    } else if (charAt(text, this.start) == this.close) return false;
    this.count++;
    this.valueStart = this.isObject ? this.skipKey() : this.start;
    this.valueEnd = skipValue(text, this.valueStart);
    const after = skipSpace(text, this.valueEnd);
    this.commaAfter = charAt(text, after) == COMMA ? after : -1;
    return true;
  }

  /** Goes to the member with this key, or the element with this index; false, and to the end, if there is none. */
  find(key: string): bool {
    while (this.next()) if (this.key == key) return true;
    return false;
  }

  private get close(): i32 {
    return this.isObject ? CLOSE : CLOSE_LIST;
  }

  private skipKey(): i32 {
    this.keyEnd = skipString(this.text, this.start);
    return skipSpace(this.text, skipMark(this.text, skipSpace(this.text, this.keyEnd), COLON));
  }

  private finish(end: i32): bool {
    skipMark(this.text, end, this.close);
    this.start = end;
    return false;
  }
}

export function skipSpace(text: string, from: i32): i32 {
  let at = from;
  while (isSpace(charAt(text, at))) at++;
  return at;
}

/** From the first character of a value to behind its last. */
export function skipValue(text: string, from: i32): i32 {
  const first = charAt(text, from);
  if (first == QUOTE) return skipString(text, from);
  if (first == OPEN || first == OPEN_LIST) return skipContainer(text, from);
  let at = from;
  while (at < text.length && !endsScalar(text.charCodeAt(at))) at++;
  return at == from ? malformed(at) : at;
}

/** Brackets are counted, nothing is entered: depth costs no stack. */
function skipContainer(text: string, from: i32): i32 {
  let depth = 0;
  for (let at = from; at < text.length; ) {
    const char = text.charCodeAt(at);
    if (char == OPEN || char == OPEN_LIST) depth++;
    else if (char == CLOSE || char == CLOSE_LIST) depth--;
    at = char == QUOTE ? skipString(text, at) : at + 1;
    if (depth == 0) return at;
  }
  return malformed(from);
}

/** From the opening quote to behind the closing one. */
function skipString(text: string, from: i32): i32 {
  for (let at = skipMark(text, from, QUOTE); at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char == BACKSLASH) at++;
    else if (char == QUOTE) return at + 1;
  }
  return malformed(from);
}

function skipMark(text: string, at: i32, mark: i32): i32 {
  return charAt(text, at) == mark ? at + 1 : malformed(at);
}

function endsScalar(char: i32): bool {
  return char == COMMA || char == CLOSE || char == CLOSE_LIST || isSpace(char);
}

function isSpace(char: i32): bool {
  return char == 0x20 || char == 0x0a || char == 0x0d || char == 0x09;
}

/** -1 behind the end. */
function charAt(text: string, at: i32): i32 {
  return at < text.length ? text.charCodeAt(at) : -1;
}

/** The compiler keeps the message of `throw new Error(…)` only where it is written like that. */
function malformed(at: i32): i32 {
  throw new Error(`malformed JSON at character ${at}`);
}
