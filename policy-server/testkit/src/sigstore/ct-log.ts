import { type KeyObject, generateKeyPairSync, sign } from 'node:crypto';
import { type Certificate, type Extension, keyHash } from '../x509/certificate.ts';
import { octetString } from '../x509/der.ts';

const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';

/** A certificate transparency log, as far as its clients see it: it promises to publish a certificate. */
export class CtLog {
  readonly url = 'https://ctfe.test';
  readonly publicKey: KeyObject;
  /** sha256 of the public key. */
  readonly id: Buffer;
  readonly #privateKey: KeyObject;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
    this.id = keyHash(publicKey);
  }

  /** The extension with a signed certificate timestamp (RFC 6962 §3.2, §3.3) for a certificate that lacks it. */
  timestamp(preCertificate: Certificate, issuerKey: KeyObject, at: Date): Extension {
    const timestamp = Buffer.alloc(8);
    timestamp.writeBigUInt64BE(BigInt(at.getTime()));
    const noExtensions = u16(0);
    const signed = Buffer.concat([
      Buffer.from([0 /* v1 */, 0 /* certificate_timestamp */]),
      timestamp,
      u16(1 /* precert_entry */),
      keyHash(issuerKey),
      u24(preCertificate.tbs.length),
      preCertificate.tbs,
      noExtensions,
    ]);
    const signature = sign('sha256', signed, this.#privateKey);
    const algorithms = Buffer.from([4 /* sha256 */, 3 /* ecdsa */]);
    const version = Buffer.from([0]);
    const sct = Buffer.concat([
      version,
      this.id,
      timestamp,
      noExtensions,
      algorithms,
      u16(signature.length),
      signature,
    ]);
    return { oid: SCT_LIST, value: octetString(Buffer.concat([u16(sct.length + 2), u16(sct.length), sct])) };
  }
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u24(value: number): Buffer {
  return Buffer.concat([Buffer.from([value >> 16]), u16(value & 0xffff)]);
}
