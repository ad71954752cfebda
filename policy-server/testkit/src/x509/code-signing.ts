import type { KeyPair } from '../api-server/certificates.ts';
import type { SigningCertificate } from '../cosign/sign.ts';
import { type KeyAlgorithm, opensslCertificate } from './openssl.ts';

/** What is wrong with a chain, on purpose. */
export type ChainFlaw =
  /** Extended key usage of the leaf: TLS servers. */
  | 'not-for-code-signing'
  | 'no-extended-key-usage'
  | 'no-key-usage'
  /** Nobody is named: no subject alternative name. */
  | 'no-subject-name'
  /** The intermediate that comes along has the name of the true one and another key. */
  | 'other-intermediate'
  /** The leaf was signed by a certificate that is no authority. */
  | 'intermediate-is-no-authority'
  | 'intermediate-expired';

export interface CodeSigningOptions {
  /** Name of the leaf; `email` or `uri`. */
  readonly email?: string;
  readonly uri?: string;
  /** In the extensions by which Fulcio names the OpenID issuer (.1.1 and .1.8). */
  readonly issuer?: string;
  /** `owner/repo`, in the extensions by which Fulcio names a workflow's repository (.1.5 and .1.12). */
  readonly githubRepository?: string;
  /** Of all three keys; default `ecdsa-p256`. */
  readonly algorithm?: KeyAlgorithm;
  /** Of the leaf; default: an hour ago, and in an hour. */
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly flaw?: ChainFlaw;
}

/** Certificates of an authority of one's own, made by openssl. */
export interface CodeSigningChain {
  readonly root: KeyPair;
  readonly intermediate: KeyPair;
  readonly leaf: KeyPair;
  /** The leaf with its chain, for `signWithCertificate`. */
  readonly signer: SigningCertificate;
}

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const FULCIO = '1.3.6.1.4.1.57264.1';
const AUTHORITY = ['basicConstraints = critical,CA:TRUE', 'keyUsage = critical,keyCertSign,cRLSign'];

/** Root, intermediate and a leaf that may sign code; needs `openssl` on PATH, see `missingProgram`. */
export async function createCodeSigningChain(options: CodeSigningOptions = {}): Promise<CodeSigningChain> {
  const { algorithm = 'ecdsa-p256', flaw } = options;
  const now = Date.now();
  const long = { notBefore: new Date(now - YEAR_MS), notAfter: new Date(now + YEAR_MS) };
  const root = await opensslCertificate({ ...long, algorithm, commonName: 'root', extensions: AUTHORITY });
  const ofIntermediate = {
    ...long,
    ...(flaw === 'intermediate-expired' ? { notAfter: new Date(now - HOUR_MS) } : {}),
    algorithm,
    commonName: 'intermediate',
    extensions: flaw === 'intermediate-is-no-authority' ? ['basicConstraints = critical,CA:FALSE'] : AUTHORITY,
    issuer: root,
  };
  const intermediate = await opensslCertificate(ofIntermediate);
  const leaf = await opensslCertificate({
    algorithm,
    commonName: 'signer',
    notBefore: options.notBefore ?? new Date(now - HOUR_MS),
    notAfter: options.notAfter ?? new Date(now + HOUR_MS),
    extensions: leafExtensions(options),
    issuer: intermediate,
  });
  const sentAlong = flaw === 'other-intermediate' ? await opensslCertificate(ofIntermediate) : intermediate;
  const chain = [sentAlong.cert, root.cert];
  return { root, intermediate: sentAlong, leaf, signer: { certificate: leaf.cert, privateKey: leaf.key, chain } };
}

function leafExtensions({ email, uri, issuer, githubRepository, flaw }: CodeSigningOptions): string[] {
  const lines = ['basicConstraints = critical,CA:FALSE'];
  if (flaw !== 'no-key-usage') lines.push('keyUsage = critical,digitalSignature');
  if (flaw === 'not-for-code-signing') lines.push('extendedKeyUsage = serverAuth');
  else if (flaw !== 'no-extended-key-usage') lines.push('extendedKeyUsage = codeSigning');
  const name = email === undefined ? `URI:${uri ?? 'https://signer.test/'}` : `email:${email}`;
  if (flaw !== 'no-subject-name') lines.push(`subjectAltName = ${name}`);
  if (issuer !== undefined) lines.push(raw(1, issuer), text(8, issuer));
  if (githubRepository !== undefined)
    lines.push(raw(5, githubRepository), text(12, `https://github.com/${githubRepository}`));
  return lines;
}

/** Fulcio's first extensions hold their text as it is. */
function raw(last: number, value: string): string {
  return `${FULCIO}.${last} = DER:${Buffer.from(value).toString('hex')}`;
}

function text(last: number, value: string): string {
  return `${FULCIO}.${last} = ASN1:UTF8String:${value}`;
}
