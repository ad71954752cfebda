import { X509Certificate } from 'node:crypto';
import { messageOf } from '@portcullis/protocol';
import type { CertificateRequirement } from './config/requirement.ts';
import { DER, expectDer, objectIdentifierText, readDer, readDerChildren } from '../der.ts';
import type { Signature } from './evidence/signature.ts';

const OID_KEY_USAGE = '2.5.29.15';
const OID_CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const EXTENSIONS_TAG = 0xa3;

/**
 * Prepares the check of signatures against a certificate: what is wrong with the certificate itself holds for each of them.
 *
 * @returns what keeps a signature from having been made with the certificate
 */
export function certificateMismatch(
  requirement: CertificateRequirement,
  now: Date,
): (signature: Signature) => string | undefined {
  const certificate = parse(requirement.certificate);
  const problem = typeof certificate === 'string' ? certificate : certificateProblem(certificate, requirement, now);
  if (typeof certificate === 'string' || problem !== undefined) return () => problem;
  return (signature) => signatureProblem(signature, certificate, requirement);
}

function parse(pem: string): X509Certificate | string {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    return `the certificate cannot be read: ${messageOf(error)}`;
  }
}

function certificateProblem(
  certificate: X509Certificate,
  { chain }: CertificateRequirement,
  now: Date,
): string | undefined {
  if (!hasKeyUsage(certificate)) return 'the certificate has no key usage';
  // What Node calls key usage is the extended one.
  const purposes: readonly string[] | undefined = certificate.keyUsage;
  if (purposes?.includes(OID_CODE_SIGNING) !== true) return 'the certificate is not for signing code';
  if (certificate.subjectAltName === undefined) return 'the certificate has no subject alternative name';
  if (certificate.validFromDate > now) return 'the certificate is not valid yet';
  return chain === undefined ? undefined : chainProblem(certificate, chain, now);
}

/**
 * Each certificate of the chain is an anchor, as it was the policy's author who put it there: RFC 5280 §6.1 checks no dates of
 * anchors.
 */
function chainProblem(certificate: X509Certificate, chain: readonly string[], now: Date): string | undefined {
  const anchors = chain.map(parse);
  const unreadable = anchors.find((anchor) => typeof anchor === 'string');
  if (unreadable !== undefined) return `in the certificate chain, ${unreadable}`;
  if (certificate.ca) return 'the certificate is that of an authority';
  if (certificate.validToDate < now) return 'the certificate has expired';
  const isIssued = anchors.some((anchor) => typeof anchor !== 'string' && issued(anchor, certificate));
  return isIssued ? undefined : 'the certificate was issued by nobody in the certificate chain';
}

function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false; // a key of a type that OpenSSL cannot verify with
  }
}

function hasKeyUsage(certificate: X509Certificate): boolean {
  try {
    const [body] = readDerChildren(readDer(certificate.raw));
    const fields = readDerChildren(expectDer(body, DER.sequence, 'a certificate body'));
    const wrapper = fields.find(({ tag }) => tag === EXTENSIONS_TAG);
    const extensions = wrapper === undefined ? [] : readDerChildren(readDer(wrapper.content));
    return extensions.some((extension) => objectIdentifierText(readDerChildren(extension)[0]) === OID_KEY_USAGE);
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function signatureProblem(
  signature: Signature,
  certificate: X509Certificate,
  { requireRekorBundle }: CertificateRequirement,
): string | undefined {
  if (!signature.isSignedBy(certificate.publicKey)) return 'it was not made with the key of the certificate';
  const { integratedTimeMs } = signature;
  if (integratedTimeMs === undefined) return requireRekorBundle ? 'no transparency log has seen it' : undefined;
  const isInTime =
    integratedTimeMs >= certificate.validFromDate.getTime() && integratedTimeMs <= certificate.validToDate.getTime();
  return isInTime ? undefined : 'it was logged when the certificate was not valid';
}
