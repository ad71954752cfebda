import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { messageOf } from '@portcullis/protocol';
import { fromBase64 } from './signed-content.ts';
import { unproven } from './unproven.ts';

/** By what a log entry says its signature is verified. */
export interface LogEntryKey {
  readonly key: KeyObject;
  /** DER, when the entry names a certificate rather than a bare key. */
  readonly certificate: Buffer | undefined;
}

/** Where each kind of entry keeps the key: as base64 of PEM in the first generation of Rekor, … */
const PEM_PLACES: ReadonlyMap<string, readonly (string | number)[]> = new Map([
  ['hashedrekord/0.0.1', ['spec', 'signature', 'publicKey', 'content']],
  ['dsse/0.0.1', ['spec', 'signatures', 0, 'verifier']],
  ['intoto/0.0.2', ['spec', 'content', 'envelope', 'signatures', 0, 'publicKey']],
]);
/** … as base64 of DER in the second. */
const DER_PLACES: ReadonlyMap<string, readonly (string | number)[]> = new Map([
  ['hashedrekord/0.0.2', ['spec', 'hashedRekordV002', 'signature', 'verifier']],
  ['dsse/0.0.2', ['spec', 'dsseV002', 'signatures', 0, 'verifier']],
]);

/**
 * The key in the body of a Rekor entry. The body is the log's word only once the entry was verified.
 *
 * @throws ArtifactError `verification-failed` for kinds of entries that hold no signature of an image
 */
export function logEntryKey(body: Buffer): LogEntryKey {
  let entry: unknown;
  try {
    entry = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw unproven('the log entry is no JSON', error);
  }
  const kind = `${textAt(entry, ['kind'])}/${textAt(entry, ['apiVersion'])}`;
  const pemPlace = PEM_PLACES.get(kind);
  const derPlace = DER_PLACES.get(kind);
  try {
    if (pemPlace !== undefined) return fromPem(decoded(textAt(entry, pemPlace)).toString('latin1').trimStart());
    if (derPlace !== undefined) return fromDer(entry, derPlace);
  } catch (error) {
    throw unproven(`the key in the log entry cannot be read: ${messageOf(error)}`, error);
  }
  throw unproven('the log entry is not of a kind that holds signatures of images');
}

/** Kind and version as the entry itself states them. */
export function logEntryKind(body: Buffer): { kind: string; version: string } {
  try {
    const entry: unknown = JSON.parse(body.toString('utf8'));
    return { kind: textAt(entry, ['kind']), version: textAt(entry, ['apiVersion']) };
  } catch (error) {
    throw unproven('the log entry is no JSON with a kind', error);
  }
}

function fromPem(pem: string): LogEntryKey {
  if (pem.startsWith('-----BEGIN CERTIFICATE-----')) return fromCertificate(new X509Certificate(pem));
  if (!/^-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(pem)) throw new TypeError('neither a certificate nor a public key');
  return { key: createPublicKey(pem), certificate: undefined };
}

function fromDer(entry: unknown, place: readonly (string | number)[]): LogEntryKey {
  const certificate = valueAt(entry, [...place, 'x509Certificate', 'rawBytes']);
  if (typeof certificate === 'string') return fromCertificate(new X509Certificate(decoded(certificate)));
  const key = decoded(textAt(entry, [...place, 'publicKey', 'rawBytes']));
  return { key: createPublicKey({ key, format: 'der', type: 'spki' }), certificate: undefined };
}

function fromCertificate(certificate: X509Certificate): LogEntryKey {
  return { key: certificate.publicKey, certificate: certificate.raw };
}

function decoded(base64: string): Buffer {
  const bytes = fromBase64(base64);
  if (bytes === undefined) throw new TypeError('no base64');
  return bytes;
}

function textAt(value: unknown, path: readonly (string | number)[]): string {
  const text = valueAt(value, path);
  if (typeof text !== 'string') throw new TypeError(`no text at ${path.join('.')}`);
  return text;
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let current = value;
  for (const segment of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, segment)) return undefined;
    current = Reflect.get(current, segment);
  }
  return current;
}
