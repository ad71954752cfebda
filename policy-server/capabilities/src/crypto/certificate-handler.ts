import { jsonFrom, type IsCertificateTrustedRequest } from '@portcullis/protocol';
import type { CapabilityHandler } from '../backend.ts';
import { CapabilityError } from '../errors.ts';
import { readCertificate, type Certificate } from './certificate.ts';
import { mozillaRoots, readRoots } from './mozilla-roots.ts';
import { findPath, formProblem } from './path.ts';
import { firstCertificate } from './pem.ts';
import { reasonOf, type PathProblem } from './problem.ts';
import { rfc3339Ms } from './rfc3339.ts';

export interface CertificateOptions {
  /** @default the clock of the machine */
  readonly now?: () => Date;
  /** PEM of what is trusted when a request brings no chain. @default the roots of Mozilla's program */
  readonly roots?: readonly string[];
}

type EncodedCertificate = IsCertificateTrustedRequest['cert'];

/** Certificates have some kilobytes; what is larger is made to keep us busy. */
const MAX_CERTIFICATE_BYTES = 128 * 1024;
const MAX_CHAIN = 64;

/**
 * Handles `crypto/v1/is_certificate_trusted`. The last certificate of a chain is the anchor, the others may be part of the path; without
 * a chain the public roots are the anchors. A certificate that is not trusted is an answer, not an error.
 */
export function createCertificateHandler(
  options: CertificateOptions = {},
): CapabilityHandler<'CryptoIsCertificateTrusted'> {
  const now = options.now ?? (() => new Date());
  let roots: Promise<readonly Certificate[]> | undefined;
  const publicRoots = async (): Promise<readonly Certificate[]> => readRoots(options.roots ?? (await mozillaRoots()));
  return async ({ request }, { signal }) => {
    signal.throwIfAborted();
    const certificate = endEntity(request.cert);
    const chain = request.cert_chain === undefined ? undefined : readChain(request.cert_chain);
    const atMs = timeOf(request.not_after) ?? now().getTime();
    const { anchors, intermediates, problem } = chain ?? { ...NO_CHAIN, anchors: await (roots ??= publicRoots()) };
    // Certificates are valid to the second (RFC 5280 §4.1.2.5).
    const search = { certificate, intermediates, anchors, atMs: Math.floor(atMs / 1000) * 1000, signal };
    const found = await findPath(search);
    const reason = found === undefined ? '' : reasonOf(found === 'UnknownIssuer' ? problem : found);
    return jsonFrom({ trusted: found === undefined, reason });
  };
}

interface Chain {
  readonly intermediates: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  /** What to say when no path is found. */
  readonly problem: PathProblem;
}

const NO_CHAIN = { intermediates: [], problem: 'UnknownIssuer' } as const;

function endEntity(encoded: EncodedCertificate): Certificate {
  const certificate = readCertificate(derOf(encoded));
  const problem = certificate === undefined ? 'BadDer' : formProblem(certificate);
  if (certificate === undefined || problem !== undefined)
    throw refusal(`Certificate is not a valid end-entity certificate: ${problem}`);
  return certificate;
}

function readChain(encoded: readonly EncodedCertificate[]): Chain {
  if (encoded.length > MAX_CHAIN)
    throw refusal(
      `Certificate chain is not valid: it has ${encoded.length} certificates, expected at most ${MAX_CHAIN}`,
    );
  const ders = encoded.map(derOf);
  const last = ders.pop();
  if (last === undefined) return { ...NO_CHAIN, anchors: [] };
  const anchor = readCertificate(last);
  if (anchor === undefined) throw refusal('Certificate is not a valid trust anchor: BadDer');
  if (anchor.hasUnknownCritical) throw refusal('Certificate is not a valid trust anchor: UnsupportedCriticalExtension');
  const unique = Array.from(new Map(ders.map((der) => [Buffer.from(der).toString('latin1'), der])).values());
  const intermediates = unique.map(readCertificate).filter((certificate) => certificate !== undefined);
  const problem = intermediates.length === unique.length ? 'UnknownIssuer' : 'BadDer';
  return { intermediates, anchors: [anchor], problem };
}

function derOf({ encoding, data }: EncodedCertificate): Uint8Array {
  if (data.length > MAX_CERTIFICATE_BYTES)
    throw refusal(`Certificate is too large: ${data.length} bytes, expected at most ${MAX_CERTIFICATE_BYTES}`);
  const bytes = Uint8Array.from(data);
  if (encoding === 'Der') return bytes;
  const read = firstCertificate(bytes);
  if (read.kind === 'invalid') throw refusal(`Certificate PEM data is not valid: ${read.reason}`);
  return read.der;
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const ms = rfc3339Ms(text);
  if (ms === undefined) throw refusal('Timestamp not_after is not in RFC3339 format');
  return ms;
}

function refusal(message: string): CapabilityError {
  return new CapabilityError('payload-invalid', message);
}
