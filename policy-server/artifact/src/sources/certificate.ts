import { X509Certificate } from 'node:crypto';

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * The certificates of a file or text in PEM or DER, each as PEM.
 *
 * @throws Error whose message says what is wrong with them
 */
export function certificatesFrom(raw: Uint8Array): readonly string[] {
  const blocks = Buffer.from(raw).toString('latin1').match(PEM_BLOCK);
  const candidates = blocks ?? [raw];
  return candidates.map((candidate) => pemOf(candidate, blocks === null));
}

function pemOf(candidate: string | Uint8Array, isLoose: boolean): string {
  try {
    return new X509Certificate(candidate).toString();
  } catch (error) {
    throw new Error(isLoose ? NOT_A_CERTIFICATE : 'the PEM block holds no certificate', { cause: error });
  }
}

const NOT_A_CERTIFICATE = 'Raw certificate is not in PEM nor in DER encoding';
