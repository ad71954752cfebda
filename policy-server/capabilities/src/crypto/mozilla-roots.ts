import { encodeUtf8 } from '@portcullis/protocol';
import { readCertificate, type Certificate } from './certificate.ts';
import { firstCertificate } from './pem.ts';

/** Reads a list of roots; what this program cannot read is no root. */
export function readRoots(pems: readonly string[]): Certificate[] {
  return pems.flatMap((pem) => {
    const read = firstCertificate(encodeUtf8(pem));
    const certificate = read.kind === 'der' ? readCertificate(read.der) : undefined;
    return certificate === undefined || certificate.hasUnknownCritical ? [] : [certificate];
  });
}

/** The roots of Mozilla's program, as they come with Node. */
export async function mozillaRoots(): Promise<readonly string[]> {
  return (await import('node:tls')).rootCertificates;
}
