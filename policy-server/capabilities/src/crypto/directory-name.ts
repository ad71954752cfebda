import { DER, expectDer, objectIdentifierText, readDerChildren, readDer, type DerElement } from '@portcullis/artifact';

const SET = 0x31;
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';
const BMP_STRING = 0x1e;
const UTF8_STRING = 0x0c;
/** Printable, teletex, IA5 and visible strings: a byte each. */
const BYTE_STRINGS: ReadonlySet<number> = new Set([0x13, 0x14, 0x16, 0x1a]);

interface Attribute {
  readonly type: string;
  readonly value: DerElement;
}

/**
 * Whether a distinguished name begins with all of another. Texts are compared without case and spacing (RFC 5280 §7.1): else a
 * name could be written another way to escape an exclusion. Undefined for what are no names.
 */
export function isWithinDirectoryName(name: Uint8Array, limit: Uint8Array): boolean | undefined {
  try {
    const [inner, outer] = [comparable(name), comparable(readDer(limit).content)];
    return outer.every((part, i) => part === inner[i]);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The e-mail addresses that stand in a distinguished name. */
export function emailAddresses(name: DerElement): Uint8Array[] {
  const attributes = relativeNames(name.content).flat();
  return attributes.filter(({ type }) => type === EMAIL_ADDRESS).map(({ value }) => value.content);
}

function comparable(name: Uint8Array): string[] {
  return relativeNames(name).map((attributes) =>
    JSON.stringify(attributes.map(({ type, value }) => [type, comparableValue(value)].join('=')).sort()),
  );
}

function comparableValue({ tag, content }: DerElement): string {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  if (tag === UTF8_STRING) return folded(bytes.toString('utf8'));
  if (BYTE_STRINGS.has(tag)) return folded(bytes.toString('latin1'));
  if (tag === BMP_STRING && bytes.length % 2 === 0) return folded(Buffer.from(bytes).swap16().toString('utf16le'));
  return `#${tag}:${bytes.toString('hex')}`;
}

function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');
}

function relativeNames(content: Uint8Array): Attribute[][] {
  return readDerChildren({ tag: DER.sequence, content }).map((set) =>
    readDerChildren(expectDer(set, SET, 'a relative name')).map(attribute),
  );
}

function attribute(element: DerElement): Attribute {
  const [type, value, ...rest] = readDerChildren(expectDer(element, DER.sequence, 'an attribute'));
  if (value === undefined || rest.length > 0) throw new RangeError('an attribute has a type and a value');
  return { type: objectIdentifierText(type), value };
}
