/** One element of a DER encoding (X.690); `content` is a view into the bytes it was read from. */
export interface DerElement {
  /** Class, form and number in one byte; numbers above 30 do not occur in certificates and are refused. */
  readonly tag: number;
  readonly content: Uint8Array;
}

export const DER = {
  boolean: 0x01,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
} as const;

/** Children of one element: a certificate has dozens, a hostile one could have a million. */
const MAX_CHILDREN = 512;

/**
 * The one element `bytes` consist of.
 *
 * @throws RangeError when they are no DER, or when anything follows
 */
export function readDer(bytes: Uint8Array): DerElement {
  const [element, end] = elementAt(bytes, 0);
  if (end !== bytes.length) throw new RangeError('DER with bytes after its end');
  return element;
}

/** The elements that lie one after the other in a constructed element. Never recursive: callers descend step by step. */
export function readDerChildren(parent: DerElement): DerElement[] {
  const children: DerElement[] = [];
  for (let at = 0; at < parent.content.length;) {
    if (children.length === MAX_CHILDREN) throw new RangeError(`DER with more than ${MAX_CHILDREN} elements in one`);
    const [child, end] = elementAt(parent.content, at);
    children.push(child);
    at = end;
  }
  return children;
}

/** The child of `parent` that must be there and have this tag. */
export function expectDer(element: DerElement | undefined, tag: number, name: string): DerElement {
  if (element?.tag !== tag) throw new RangeError(`DER without ${name}`);
  return element;
}

/** Dotted text of an object identifier; arcs beyond 2^53 are refused. */
export function objectIdentifierText(element: DerElement | undefined): string {
  const { content } = expectDer(element, DER.objectIdentifier, 'an object identifier');
  const arcs: number[] = [];
  let arc = 0;
  let begun = false;
  for (const byte of content) {
    if (!begun && byte === 0x80) throw new RangeError('DER object identifier with padding');
    begun = true;
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) throw new RangeError('DER object identifier with an arc out of range');
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
      begun = false;
    }
  }
  const [first] = arcs;
  if (first === undefined || begun) throw new RangeError('DER object identifier cut short');
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...arcs.slice(1)].join('.');
}

function elementAt(bytes: Uint8Array, at: number): [element: DerElement, end: number] {
  const tag = byteAt(bytes, at);
  if ((tag & 0x1f) === 0x1f) throw new RangeError('DER tag number above 30');
  const [length, start] = lengthAt(bytes, at + 1);
  const end = start + length;
  if (end > bytes.length) throw new RangeError('DER cut short');
  return [{ tag, content: bytes.subarray(start, end) }, end];
}

/** X.690 §10.1: the definite form in as few bytes as possible. */
function lengthAt(bytes: Uint8Array, at: number): [length: number, start: number] {
  const first = byteAt(bytes, at);
  if (first < 0x80) return [first, at + 1];
  const count = first & 0x7f;
  if (count === 0 || count > 4) throw new RangeError('DER length of an unknown form');
  let length = 0;
  for (let i = 1; i <= count; i++) length = length * 256 + byteAt(bytes, at + i);
  if (length < 0x80 || length < 256 ** (count - 1)) throw new RangeError('DER length with padding');
  return [length, at + 1 + count];
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new RangeError('DER cut short');
  return byte;
}
