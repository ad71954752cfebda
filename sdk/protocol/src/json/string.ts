/** A string literal that is not valid; `index` is where the reader stands when it notices. */
export class StringFault extends Error {
  readonly index: number;

  constructor(message: string, index: number) {
    super(message);
    this.index = index;
  }
}

const ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/**
 * The slow path of string literals: goes on at `stop`, the first character that is no ordinary one.
 * `start` is the place after the opening quote, `end` that after the closing one.
 */
export function readEscapedString(text: string, start: number, stop: number): { value: string; end: number } {
  let value = text.slice(start, stop);
  for (let at = stop; ;) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) return { value, end: at + 1 };
    if (Number.isNaN(unit)) throw new StringFault('EOF while parsing a string', text.length);
    if (unit < 0x20) {
      throw new StringFault('control character (\\u0000-\\u001F) found while parsing a string', at + 1);
    }
    if (unit === 0x5c) {
      const escape = readEscape(text, at + 1);
      value += escape.value;
      at = escape.end;
    } else {
      const end = ordinaryEnd(text, at);
      value += text.slice(at, end);
      at = end;
    }
  }
}

function ordinaryEnd(text: string, from: number): number {
  let at = from;
  for (let unit = text.charCodeAt(at); unit >= 0x20 && unit !== 0x22 && unit !== 0x5c;) unit = text.charCodeAt(++at);
  return at;
}

function readEscape(text: string, at: number): { value: string; end: number } {
  const letter = text[at];
  if (letter === undefined) throw new StringFault('EOF while parsing a string', text.length);
  if (letter === 'u') return readUnicodeEscape(text, at + 1);
  const value = ESCAPES.get(letter);
  if (value === undefined) throw new StringFault('invalid escape', at + 1);
  return { value, end: at + 1 };
}

function readUnicodeEscape(text: string, at: number): { value: string; end: number } {
  const lead = readHex(text, at);
  if (lead < 0xd800 || lead > 0xdfff) return { value: String.fromCharCode(lead), end: at + 4 };
  if (lead >= 0xdc00) throw new StringFault('lone leading surrogate in hex escape', at + 4);
  if (text[at + 4] !== '\\') throw new StringFault('unexpected end of hex escape', at + 5);
  if (text[at + 5] !== 'u') throw new StringFault('unexpected end of hex escape', at + 6);
  const trail = readHex(text, at + 6);
  if (trail < 0xdc00 || trail > 0xdfff) throw new StringFault('lone leading surrogate in hex escape', at + 10);
  return { value: String.fromCharCode(lead, trail), end: at + 10 };
}

function readHex(text: string, at: number): number {
  const digits = text.slice(at, at + 4);
  if (/^[0-9a-fA-F]{4}$/.test(digits)) return Number.parseInt(digits, 16);
  if (digits.length < 4) throw new StringFault('EOF while parsing a string', text.length);
  throw new StringFault('invalid escape', at + 4);
}
