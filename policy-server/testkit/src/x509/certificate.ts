import { type KeyObject, createHash, createPublicKey, randomBytes, sign } from 'node:crypto';
import { bitString, boolean, der, integer, octetString, oid, sequence, setOf, time, utf8String } from './der.ts';

/** An extension: its identifier, whether readers must understand it, and its value, DER where the extension says so. */
export interface Extension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

export interface CertificateFields {
  /** Common name; a certificate of Fulcio has none. */
  readonly subject?: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly serial?: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Extension[];
}

/** A signed certificate. */
export interface Certificate {
  readonly der: Buffer;
  readonly pem: string;
  /** What was signed. */
  readonly tbs: Buffer;
}

/** Makes an X.509 certificate, RFC 5280, with exactly these fields: whether they make sense is the caller's affair. */
export function createCertificate(fields: CertificateFields): Certificate {
  const algorithm = signatureAlgorithm(fields.signingKey);
  const tbs = sequence(
    der(0xa0, integer(2)),
    integer(fields.serial ?? randomSerial()),
    algorithm,
    name(fields.issuer),
    sequence(time(fields.notBefore), time(fields.notAfter)),
    fields.subject === undefined ? sequence() : name(fields.subject),
    fields.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...fields.extensions.map(extension))),
  );
  const certificate = sequence(tbs, algorithm, bitString(signBytes(tbs, fields.signingKey)));
  return { der: certificate, pem: pem(certificate), tbs };
}

/** Signs as X.509, cosign and Rekor do it for the key's type: PKCS#1 for RSA, the curve's own hash for EC. */
export function signBytes(bytes: Uint8Array, key: KeyObject): Buffer {
  return sign(hashFor(key), bytes, key);
}

/** sha256 of the public key, in the form in which logs are named. */
export function keyHash(key: KeyObject): Buffer {
  const publicKey = key.type === 'public' ? key : createPublicKey(key);
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}

export function randomSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

export const basicConstraints = (authority: boolean): Extension => ({
  oid: '2.5.29.19',
  critical: true,
  value: authority ? sequence(boolean(true)) : sequence(),
});

/** Key usage of an authority: keyCertSign, cRLSign; of a signer: digitalSignature. */
export const keyUsage = (authority: boolean): Extension => ({
  oid: '2.5.29.15',
  critical: true,
  value: authority ? bitString(Buffer.from([0x06]), 1) : bitString(Buffer.from([0x80]), 7),
});

const PURPOSES = { codeSigning: '1.3.6.1.5.5.7.3.3', serverAuth: '1.3.6.1.5.5.7.3.1' };

export const extendedKeyUsage = (purpose: keyof typeof PURPOSES): Extension => ({
  oid: '2.5.29.37',
  value: sequence(oid(PURPOSES[purpose])),
});

export const subjectKeyIdentifier = (key: KeyObject): Extension => ({
  oid: '2.5.29.14',
  value: octetString(keyHash(key).subarray(0, 20)),
});

export const authorityKeyIdentifier = (key: KeyObject): Extension => ({
  oid: '2.5.29.35',
  value: sequence(der(0x80, keyHash(key).subarray(0, 20))),
});

/** Subject alternative names in the order given: an e-mail address or a URI each. */
export const subjectAlternativeName = (
  ...names: readonly { readonly email?: string | undefined; readonly uri?: string | undefined }[]
): Extension => ({
  oid: '2.5.29.17',
  critical: true,
  value: sequence(
    ...names.map(({ email, uri }) =>
      email === undefined ? der(0x86, Buffer.from(uri ?? '')) : der(0x81, Buffer.from(email)),
    ),
  ),
});

function extension({ oid: id, critical = false, value }: Extension): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

function name(commonName: string): Buffer {
  const organization = setOf(sequence(oid('2.5.4.10'), utf8String('portcullis.test')));
  return sequence(organization, setOf(sequence(oid('2.5.4.3'), utf8String(commonName))));
}

function signatureAlgorithm(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return sequence(oid('1.3.101.112'));
  if (key.asymmetricKeyType === 'rsa') return sequence(oid('1.2.840.113549.1.1.11'), der(0x05));
  return sequence(oid(hashFor(key) === 'sha384' ? '1.2.840.10045.4.3.3' : '1.2.840.10045.4.3.2'));
}

function hashFor(key: KeyObject): string | null {
  if (key.asymmetricKeyType === 'ed25519') return null;
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
