import { DER, expectDer, objectIdentifierText, readDer, readDerChildren, type DerElement } from '@portcullis/artifact';
import { readNameConstraints, type NameConstraints } from './name-constraints.ts';

/** What the extensions of a certificate say about the paths it may be part of. */
export interface CertificateExtensions {
  /** Basic constraints, RFC 5280 §4.2.1.9; undefined when there are none. */
  readonly basicConstraints: BasicConstraints | undefined;
  /** False when a key usage (§4.2.1.3) leaves out keyCertSign. */
  readonly mayCertify: boolean;
  readonly nameConstraints: NameConstraints | undefined;
  /** Subject alternative names as they are encoded: looked at only where names are constrained. */
  readonly alternativeNames: Uint8Array | undefined;
  /** Some extension must be understood, and is not. */
  readonly hasUnknownCritical: boolean;
}

export interface BasicConstraints {
  readonly isAuthority: boolean;
  /** How many authorities may stand between this one and the end entity. */
  readonly maxPathLength: number | undefined;
}

interface Extension {
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

const KEY_USAGE = '2.5.29.15';
const ALTERNATIVE_NAMES = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const NAME_CONSTRAINTS = '2.5.29.30';
const CRL_DISTRIBUTION_POINTS = '2.5.29.31';
const EXTENDED_KEY_USAGE = '2.5.29.37';
/** Purposes and places of revocation lists change no verdict here: any purpose will do, and revocation is not asked for. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  KEY_USAGE,
  ALTERNATIVE_NAMES,
  BASIC_CONSTRAINTS,
  NAME_CONSTRAINTS,
  CRL_DISTRIBUTION_POINTS,
  EXTENDED_KEY_USAGE,
]);
const KEY_CERT_SIGN = 0x04;
const INTEGER = 0x02;

/** @throws RangeError for what is no list of extensions, or has one twice: which one counts would depend on the reader */
export function readExtensions(wrapper: DerElement | undefined): CertificateExtensions {
  const extensions = wrapper === undefined ? new Map<string, Extension>() : extensionList(wrapper);
  const valueOf = (name: string): Uint8Array | undefined => extensions.get(name)?.value;
  const constraints = valueOf(NAME_CONSTRAINTS);
  return {
    basicConstraints: basicConstraints(valueOf(BASIC_CONSTRAINTS)),
    mayCertify: mayCertify(valueOf(KEY_USAGE)),
    nameConstraints: constraints === undefined ? undefined : readNameConstraints(constraints),
    alternativeNames: valueOf(ALTERNATIVE_NAMES),
    hasUnknownCritical: Array.from(extensions).some(([name, { isCritical }]) => isCritical && !UNDERSTOOD.has(name)),
  };
}

function extensionList({ content }: DerElement): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  for (const element of readDerChildren(expectDer(readDer(content), DER.sequence, 'extensions'))) {
    const [name, ...rest] = readDerChildren(expectDer(element, DER.sequence, 'an extension'));
    const { content: value } = expectDer(rest.at(-1), DER.octetString, 'the value of an extension');
    const oid = objectIdentifierText(name);
    if (extensions.has(oid) || rest.length > 2) throw new RangeError(`extension ${oid} twice, or with odd parts`);
    extensions.set(oid, { isCritical: rest.length === 2 && isTrue(rest[0]), value });
  }
  return extensions;
}

function basicConstraints(value: Uint8Array | undefined): BasicConstraints | undefined {
  if (value === undefined) return undefined;
  const parts = readDerChildren(expectDer(readDer(value), DER.sequence, 'basic constraints'));
  const isAuthority = parts[0]?.tag === DER.boolean && isTrue(parts[0]);
  const [length, ...more] = parts[0]?.tag === DER.boolean ? parts.slice(1) : parts;
  if (more.length > 0) throw new RangeError('basic constraints with odd parts');
  return { isAuthority, maxPathLength: length === undefined ? undefined : smallInteger(length) };
}

/** Longer paths than 255 are followed by nobody. */
function smallInteger(element: DerElement): number {
  const { content } = expectDer(element, INTEGER, 'a path length');
  const [first = 0x80] = content;
  if (first >= 0x80) throw new RangeError('a path length below zero');
  return content.length === 1 ? first : 255;
}

function mayCertify(value: Uint8Array | undefined): boolean {
  if (value === undefined) return true;
  const { content } = expectDer(readDer(value), DER.bitString, 'a key usage');
  return ((content[1] ?? 0) & KEY_CERT_SIGN) !== 0;
}

function isTrue(element: DerElement | undefined): boolean {
  const { content } = expectDer(element, DER.boolean, 'a truth value');
  if (content.length !== 1) throw new RangeError('DER truth value of more or less than a byte');
  return content[0] !== 0;
}
