import { X509Certificate } from 'node:crypto';
import { DER, expectDer, readDer, readDerChildren, type DerElement } from '@portcullis/artifact';
import { derTimeMs } from './der-time.ts';
import { readExtensions, type CertificateExtensions } from './extensions.ts';

/** What the validation of a path has to know of a certificate (RFC 5280 §4.1). */
export interface Certificate extends CertificateExtensions {
  readonly der: Uint8Array;
  /** OpenSSL's view of it, for keys and signatures. */
  readonly x509: X509Certificate;
  readonly version: number;
  readonly signatureAlgorithm: DerElement;
  /** Names are compared as they were encoded: RFC 5280 §4.1.2.6 has issuers encode them the same way everywhere. */
  readonly issuer: string;
  readonly subject: string;
  readonly subjectName: DerElement;
  /** The key with its algorithm. */
  readonly publicKey: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;
const INTEGER = 0x02;

/** Reads a certificate; undefined when it is none. Nothing of it is believed by that. */
export function readCertificate(der: Uint8Array): Certificate | undefined {
  try {
    const [tbs, signatureAlgorithm, signature, ...rest] = readDerChildren(sequence(readDer(der), 'a certificate'));
    expectDer(signature, DER.bitString, 'a signature');
    if (rest.length > 0) throw new RangeError('a certificate has three parts');
    const body = readBody(readDerChildren(sequence(tbs, 'a certificate body')));
    const algorithm = sequence(signatureAlgorithm, 'a signature algorithm');
    return { ...body, der, x509: parsedByOpenssl(der), signatureAlgorithm: algorithm };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readBody(fields: readonly DerElement[]): Omit<Certificate, 'der' | 'x509' | 'signatureAlgorithm'> {
  const hasVersion = fields[0]?.tag === VERSION_TAG;
  const version = hasVersion ? versionOf(fields[0]) : 1;
  const [serial, algorithm, issuer, validity, subject, key, ...rest] = hasVersion ? fields.slice(1) : fields;
  expectDer(serial, INTEGER, 'a serial number');
  sequence(algorithm, 'a signature algorithm');
  const [notBefore, notAfter] = readDerChildren(sequence(validity, 'a validity'));
  const subjectName = sequence(subject, 'a subject');
  const extensions = rest.find(({ tag }) => tag === EXTENSIONS_TAG);
  if (extensions !== undefined && version !== 3) throw new RangeError('extensions are of version 3');
  return {
    version,
    issuer: textOf(sequence(issuer, 'an issuer')),
    subject: textOf(subjectName),
    subjectName,
    publicKey: textOf(sequence(key, 'a public key')),
    notBeforeMs: derTimeMs(notBefore),
    notAfterMs: derTimeMs(notAfter),
    ...readExtensions(extensions),
  };
}

function versionOf(wrapper: DerElement | undefined): number {
  const { content } = expectDer(readDer(wrapper?.content ?? new Uint8Array()), INTEGER, 'a version');
  return content.length === 1 ? (content[0] ?? 0) + 1 : 0;
}

function parsedByOpenssl(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (error) {
    throw new RangeError('OpenSSL cannot read the certificate', { cause: error });
  }
}

function sequence(element: DerElement | undefined, name: string): DerElement {
  return expectDer(element, DER.sequence, name);
}

function textOf({ content }: DerElement): string {
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1');
}
