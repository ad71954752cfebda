import { createHash, timingSafeEqual, verify, type KeyObject } from 'node:crypto';

/** What was signed and how it reads in a log entry. */
export interface SignedContent {
  /** The very bytes under the signature: the payload, or the pre-authentication encoding of an envelope. */
  readonly signedBytes: Uint8Array;
  /** The payload of an envelope; the same as `signedBytes` elsewhere. */
  readonly payload: Uint8Array;
  readonly signature: Buffer;
}

/** What a library asks of a signature to compare it with a log entry and to verify it. */
export interface LogComparison {
  readonly signature: Buffer;
  compareSignature(signature: Buffer): boolean;
  compareDigest(digest: Buffer): boolean;
  compareSignedDigest(digest: Buffer): boolean;
  verifySignature(key: KeyObject): boolean;
}

const HASHES_BY_CURVE: ReadonlyMap<string, readonly string[]> = new Map([
  ['prime256v1', ['sha256']],
  // SHA-256 is what cosign before version 3 takes for every curve.
  ['secp384r1', ['sha384', 'sha256']],
  ['secp521r1', ['sha512', 'sha256']],
]);
const HASHES_BY_BYTES: ReadonlyMap<number, string> = new Map([
  [32, 'sha256'],
  [48, 'sha384'],
  [64, 'sha512'],
]);
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

/**
 * True when `signature` over `message` verifies under `key`, with the one algorithm its type stands for: ECDSA with the
 * hash of the curve, Ed25519, RSA PKCS #1 v1.5 with SHA-256. Keys of other types have signed nothing.
 */
export function verifiesUnder(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.type !== 'public') return false;
  try {
    return hashesFor(key).some((hash) => verify(hash, message, key, signature));
  } catch {
    // OpenSSL throws for signatures that have not even the form of one.
    return false;
  }
}

/** `null` = the key's type brings its own. */
function hashesFor({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): readonly (string | null)[] {
  if (type === 'ec') return HASHES_BY_CURVE.get(details?.namedCurve ?? '') ?? [];
  if (type === 'ed25519') return [null];
  const bits = details?.modulusLength ?? 0;
  return type === 'rsa' && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS ? ['sha256'] : [];
}

/** The content compared by what it is, never by what a bundle says about it. */
export function comparisonOf(content: SignedContent): LogComparison {
  return {
    signature: content.signature,
    compareSignature: (signature) => bytesEqual(signature, content.signature),
    compareDigest: (digest) => isDigestOf(content.payload, digest),
    compareSignedDigest: (digest) => isDigestOf(content.signedBytes, digest),
    verifySignature: (key) => verifiesUnder(key, content.signedBytes, content.signature),
  };
}

function isDigestOf(bytes: Uint8Array, digest: Uint8Array): boolean {
  const hash = HASHES_BY_BYTES.get(digest.length);
  return hash !== undefined && bytesEqual(createHash(hash).update(bytes).digest(), digest);
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Strict base64: one spelling for one value, so that nobody can vary a text without varying what it says. */
export function fromBase64(text: string): Buffer | undefined {
  if (!BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
