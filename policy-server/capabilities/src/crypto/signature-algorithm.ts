import type { KeyObject } from 'node:crypto';
import { DER, expectDer, objectIdentifierText, readDer, readDerChildren, type DerElement } from '@portcullis/artifact';

/** RSA with PKCS#1 padding, ECDSA and Ed25519 – with hashes nobody finds collisions of, which SHA-1 and MD5 are not. */
const SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.3.101.112',
]);
const RSASSA_PSS = '1.2.840.113549.1.1.10';
/** SHA-256, SHA-384, SHA-512. */
const HASHES: ReadonlySet<string> = new Set([
  '2.16.840.1.101.3.4.2.1',
  '2.16.840.1.101.3.4.2.2',
  '2.16.840.1.101.3.4.2.3',
]);
const HASH_TAG = 0xa0;

const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const MIN_MODULUS_BITS = 2048;
/** The time a check takes grows with the key, which may be an attacker's. */
const MAX_MODULUS_BITS = 8192;
const MAX_EXPONENT = 2n ** 33n;

/** Whether a signature algorithm is one that proves anything today. */
export function isSupportedSignature(algorithm: DerElement): boolean {
  try {
    const [name, parameters] = readDerChildren(algorithm);
    const oid = objectIdentifierText(name);
    return oid === RSASSA_PSS ? HASHES.has(pssHash(parameters)) : SIGNATURES.has(oid);
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** RFC 4055 §3.1: the hash stands first in the parameters; left out, it is SHA-1. */
function pssHash(parameters: DerElement | undefined): string {
  const [first] = readDerChildren(expectDer(parameters, DER.sequence, 'parameters'));
  const algorithm = readDer(expectDer(first, HASH_TAG, 'a hash algorithm').content);
  return objectIdentifierText(readDerChildren(expectDer(algorithm, DER.sequence, 'a hash algorithm'))[0]);
}

/** Whether a key is strong enough, and of a curve with a name: parameters of its own could make any point its generator. */
export function isSupportedKey({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = details;
  if (type === 'ed25519') return true;
  if (type === 'ec') return CURVES.has(namedCurve);
  if (type !== 'rsa' && type !== 'rsa-pss') return false;
  return modulusLength >= MIN_MODULUS_BITS && modulusLength <= MAX_MODULUS_BITS && publicExponent <= MAX_EXPONENT;
}
