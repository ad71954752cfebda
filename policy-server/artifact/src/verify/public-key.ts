import { createPublicKey, type KeyObject } from 'node:crypto';
import { messageOf } from '@portcullis/protocol';

/** The curves whose signatures cosign makes. */
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
/** Text may stand before the key. A private key would do, too; whoever writes one into a config should hear about it. */
const PEM_LABEL = /-----BEGIN ([^-\n]*)-----/;
const LABELS: ReadonlySet<string | undefined> = new Set(['PUBLIC KEY', 'RSA PUBLIC KEY']);

export type ParsedPublicKey =
  | { readonly kind: 'key'; readonly key: KeyObject }
  | { readonly kind: 'unusable'; readonly reason: string };

/** Reads a PEM public key of a type that signatures are made with: ECDSA, RSA, Ed25519. */
export function parsePublicKey(pem: string): ParsedPublicKey {
  if (!LABELS.has(PEM_LABEL.exec(pem)?.[1])) return unusable('it is not a PEM public key (-----BEGIN PUBLIC KEY-----)');
  try {
    const key = createPublicKey(pem);
    return isUsable(key)
      ? { kind: 'key', key }
      : unusable('its type is none of ECDSA P-256, P-384, P-521, RSA, Ed25519');
  } catch (error) {
    return unusable(messageOf(error));
  }
}

function isUsable({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType === 'ec') return CURVES.has(asymmetricKeyDetails?.namedCurve ?? '');
  return asymmetricKeyType === 'rsa' || asymmetricKeyType === 'ed25519';
}

function unusable(reason: string): ParsedPublicKey {
  return { kind: 'unusable', reason };
}
