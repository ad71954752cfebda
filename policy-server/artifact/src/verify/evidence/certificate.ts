import { decodeUtf8 } from '@portcullis/protocol';
import { DER, expectDer, objectIdentifierText, readDer, readDerChildren, type DerElement } from '../../der.ts';
import type { CertificateIdentity } from './signature.ts';
import { unproven } from './unproven.ts';

const EXTENSIONS_TAG = 0xa3;
const EMAIL_TAG = 0x81;
const URI_TAG = 0x86;
const OID_KEY_USAGE = '2.5.29.15';
const OID_SUBJECT_ALT_NAME = '2.5.29.17';
const OID_BASIC_CONSTRAINTS = '2.5.29.19';
const OID_EXTENDED_KEY_USAGE = '2.5.29.37';
const OID_CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const FULCIO_ARC = '1.3.6.1.4.1.57264.1';
const GITHUB = 'https://github.com/';

/** RFC 5280 §4.2: what is critical and not understood makes a certificate useless; the poison of RFC 6962 §3.1 among it. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID_KEY_USAGE,
  OID_SUBJECT_ALT_NAME,
  OID_BASIC_CONSTRAINTS,
  OID_EXTENDED_KEY_USAGE,
]);

interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/**
 * Who a code-signing certificate was given to. Chain, time and signature are for the caller to check.
 *
 * @throws ArtifactError `verification-failed` with the reason when the certificate is not for signing code or names nobody
 */
export function identityOf(certificate: Uint8Array): CertificateIdentity {
  const extensions = extensionsOf(certificate);
  checkUsage(extensions);
  return { issuer: issuerOf(extensions), subject: subjectOf(extensions), githubRepository: repositoryOf(extensions) };
}

function extensionsOf(certificate: Uint8Array): ReadonlyMap<string, Extension> {
  const [tbs] = readDerChildren(expectDer(readDer(certificate), DER.sequence, 'a certificate'));
  const wrapper = readDerChildren(expectDer(tbs, DER.sequence, 'a certificate body')).find(
    (field) => field.tag === EXTENSIONS_TAG,
  );
  const extensions = new Map<string, Extension>();
  if (wrapper === undefined) return extensions;
  for (const element of readDerChildren(expectDer(readDer(wrapper.content), DER.sequence, 'extensions'))) {
    const [name, extension] = extensionOf(element);
    // RFC 5280 §4.2 forbids two: which one counts would depend on the reader.
    if (extensions.has(name)) throw unproven(`the certificate has two extensions ${name}`);
    extensions.set(name, extension);
  }
  return extensions;
}

function extensionOf(element: DerElement): [name: string, extension: Extension] {
  const [oid, ...rest] = readDerChildren(expectDer(element, DER.sequence, 'an extension'));
  const value = expectDer(rest.at(-1), DER.octetString, 'the value of an extension');
  if (rest.length === 1) return [objectIdentifierText(oid), { critical: false, value: value.content }];
  const critical = expectDer(rest.length === 2 ? rest[0] : undefined, DER.boolean, 'a critical mark');
  return [objectIdentifierText(oid), { critical: critical.content[0] !== 0, value: value.content }];
}

function checkUsage(extensions: ReadonlyMap<string, Extension>): void {
  for (const [name, { critical }] of extensions) {
    if (critical && !UNDERSTOOD.has(name)) throw unproven(`the certificate has an unknown critical extension ${name}`);
  }
  const usage = extensions.get(OID_EXTENDED_KEY_USAGE);
  if (usage === undefined) throw unproven('the certificate is not for signing code: no extended key usage');
  const purposes = readDerChildren(expectDer(readDer(usage.value), DER.sequence, 'an extended key usage'));
  if (!purposes.some((purpose) => objectIdentifierText(purpose) === OID_CODE_SIGNING)) {
    throw unproven('the certificate is not for signing code');
  }
  const keyUsage = extensions.get(OID_KEY_USAGE);
  if (keyUsage !== undefined && !mayDigitallySign(keyUsage.value)) {
    throw unproven('the key of the certificate is not for signatures');
  }
}

/** RFC 5280 §4.2.1.3: `digitalSignature` is the first bit. */
function mayDigitallySign(value: Uint8Array): boolean {
  const [, bits = 0] = expectDer(readDer(value), DER.bitString, 'a key usage').content;
  return (bits & 0x80) !== 0;
}

/** The first e-mail address or URI; other kinds of names are passed over. */
function subjectOf(extensions: ReadonlyMap<string, Extension>): CertificateIdentity['subject'] {
  const names = extensions.get(OID_SUBJECT_ALT_NAME);
  if (names === undefined) throw unproven('the certificate has no subject alternative name');
  const list = readDerChildren(expectDer(readDer(names.value), DER.sequence, 'a subject alternative name'));
  const name = list.find((candidate) => candidate.tag === EMAIL_TAG || candidate.tag === URI_TAG);
  if (name === undefined) throw unproven('the certificate names neither an e-mail address nor a URI');
  const value = String.fromCharCode(...name.content.subarray(0, MAX_NAME + 1));
  if (!IA5_NAME.test(value)) throw unproven('the name in the certificate is not printable ASCII');
  return { kind: name.tag === EMAIL_TAG ? 'email' : 'uri', value };
}

const MAX_NAME = 4096;
/** A NUL or a line break in a name makes readers disagree on where it ends. */
const IA5_NAME = new RegExp(`^[\\x20-\\x7e]{1,${MAX_NAME}}$`);

function issuerOf(extensions: ReadonlyMap<string, Extension>): string | undefined {
  return oneOf(derText(extensions.get(`${FULCIO_ARC}.8`)), rawText(extensions.get(`${FULCIO_ARC}.1`)), 'issuers');
}

function repositoryOf(extensions: ReadonlyMap<string, Extension>): string | undefined {
  const uri = derText(extensions.get(`${FULCIO_ARC}.12`));
  const ofUri = uri?.startsWith(GITHUB) === true ? uri.slice(GITHUB.length) : undefined;
  return oneOf(ofUri, rawText(extensions.get(`${FULCIO_ARC}.5`)), 'repositories');
}

/** Fulcio writes the same into the older and the newer extension. */
function oneOf(newer: string | undefined, older: string | undefined, what: string): string | undefined {
  if (newer !== undefined && older !== undefined && newer !== older)
    throw unproven(`the certificate names two ${what}`);
  return newer ?? older;
}

/** The newer extensions hold a DER UTF8String, … */
function derText(extension: Extension | undefined): string | undefined {
  if (extension === undefined) return undefined;
  return plainText(expectDer(readDer(extension.value), DER.utf8String, 'a text').content);
}

/** … the older ones (1.1 to 1.6) the bare text. */
function rawText(extension: Extension | undefined): string | undefined {
  return extension === undefined ? undefined : plainText(extension.value);
}

function plainText(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  if (text.length > MAX_NAME || /\p{Cc}/u.test(text)) throw unproven('a text in the certificate is not printable');
  return text;
}
