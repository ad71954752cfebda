import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { describeError, ServerError } from '../../errors.ts';

/** A server certificate with the chain behind it, and the private key that belongs to it. */
export interface KeyPair {
  readonly certificates: string;
  readonly key: string;
  readonly leaf: X509Certificate;
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

interface PemBlock {
  readonly label: string;
  readonly text: string;
}

function pemBlocks(text: string): readonly PemBlock[] {
  return Array.from(text.matchAll(PEM_BLOCK), ([block, label = '']) => ({ label, text: block }));
}

/**
 * Checks that certificate and key are whole and belong together: rotations write them one after the other, and half of a new
 * pair must never be put into force.
 *
 * @throws ServerError
 */
export function parseKeyPair(certificateText: string, keyText: string): KeyPair {
  const chain = pemBlocks(certificateText).filter(({ label }) => label === 'CERTIFICATE');
  const keys = pemBlocks(keyText).filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const [first] = chain;
  const [key] = keys;
  if (first === undefined)
    throw invalid('Expected exactly one certificate in certificate file, found 0 (a chain is fine)');
  if (key === undefined || keys.length > 1) throw invalid(`Expected exactly one key in key file, found ${keys.length}`);
  const leaf = chain.map(({ text }, index) => parseCertificate(text, index + 1))[0] ?? parseCertificate(first.text, 1);
  if (!leaf.checkPrivateKey(parseKey(key.text))) {
    throw invalid(`the private key does not belong to the certificate of ${leaf.subject.replaceAll('\n', ', ')}`);
  }
  return { certificates: chain.map(({ text }) => text).join('\n'), key: key.text, leaf };
}

export interface Authorities {
  readonly certificates: readonly string[];
  /** How many could not be parsed and were left out. */
  readonly skipped: number;
  /** How many were issued by another CA, which OpenSSL must know too before it trusts them. */
  readonly intermediates: number;
}

/** The CA certificates of one file. */
export function parseAuthorities(text: string): Authorities {
  const blocks = pemBlocks(text).filter(({ label }) => /^(?:X509 |TRUSTED )?CERTIFICATE$/.test(label));
  const parsed = blocks.flatMap((block) => {
    const certificate = tryParseCertificate(block.text);
    return certificate === undefined ? [] : [{ text: block.text, certificate }];
  });
  return {
    certificates: parsed.map((authority) => authority.text),
    skipped: blocks.length - parsed.length,
    intermediates: parsed.filter(({ certificate }) => certificate.issuer !== certificate.subject).length,
  };
}

function tryParseCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

function parseCertificate(text: string, position: number): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (error) {
    throw invalid(`certificate ${position} of the certificate file cannot be parsed: ${describeError(error)}`, error);
  }
}

function parseKey(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw invalid(
      `the private key cannot be parsed (PKCS#8, PKCS#1 or SEC1, not encrypted): ${describeError(error)}`,
      error,
    );
  }
}

function invalid(message: string, cause?: unknown): ServerError {
  return new ServerError('tls-invalid', message, { cause });
}
