import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { bitString, der, extension, oid, sequence, time, utf8String } from './der-writer.ts';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface TestAuthority {
  readonly name: string;
  readonly keys: KeyPair;
  readonly certificate: Buffer;
}

export interface CertificateContents {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Buffer[];
}

export const newKeys = (namedCurve = 'P-256'): KeyPair => generateKeyPairSync('ec', { namedCurve });
export const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const named = (text: string): Buffer => sequence(der(0x31, sequence(oid('2.5.4.3'), utf8String(text))));

/** An authority whose certificate is signed by `issuer`, or by itself. */
export function createTestAuthority(name: string, issuer?: TestAuthority): TestAuthority {
  const keys = newKeys();
  const contents: CertificateContents = {
    subject: name,
    publicKey: keys.publicKey,
    notBeforeMs: Date.UTC(2020, 0),
    notAfterMs: Date.UTC(2040, 0),
    extensions: [
      extension('2.5.29.19', sequence(der(0x01, Uint8Array.of(0xff))), true),
      extension('2.5.29.15', der(0x03, Uint8Array.of(1, 0x06)), true),
    ],
  };
  return { name, keys, certificate: issue(bodyOf(contents, issuer?.name ?? name), issuer?.keys ?? keys) };
}

/** The part of a certificate that is signed: of certificate transparency, too, while a promise is still missing. */
export function bodyOf(contents: CertificateContents, issuer: string): Buffer {
  return sequence(
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, Buffer.concat([Uint8Array.of(0x01), randomBytes(8)])),
    ECDSA_SHA256,
    named(issuer),
    sequence(time(contents.notBeforeMs), time(contents.notAfterMs)),
    named(contents.subject),
    spkiOf(contents.publicKey),
    der(0xa3, sequence(...contents.extensions)),
  );
}

export function issue(body: Buffer, { privateKey }: KeyPair): Buffer {
  return sequence(body, ECDSA_SHA256, bitString(sign('sha256', body, privateKey)));
}

export function pemOf(certificate: Buffer): string {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
