import type { KeyObject, X509Certificate } from 'node:crypto';

/** Who a certificate was given to, as far as it could be verified. */
export interface CertificateIdentity {
  /** Fulcio's issuer extension (1.3.6.1.4.1.57264.1.8, else .1.1). */
  readonly issuer: string | undefined;
  /** First e-mail address or URI of the subject alternative name. */
  readonly subject: { readonly kind: 'email' | 'uri'; readonly value: string };
  /** `owner/repo` (1.3.6.1.4.1.57264.1.12, else .1.5): the repository whose workflow ran. */
  readonly githubRepository: string | undefined;
}

/**
 * One signature found beside an image that is well-formed and speaks about that image's digest. What each field proves was
 * checked before it is set; what was not proven is `undefined`.
 */
export interface Signature {
  readonly origin: 'cosign-tag' | 'bundle';
  /** What was signed along with the digest; numbers and booleans as their text. */
  readonly annotations: ReadonlyMap<string, string>;
  /** Verifies over the signed bytes with the algorithm of the key's type. */
  isSignedBy(key: KeyObject): boolean;
  /** Set only when certificate chain, certificate time, log entry and signature all hold. */
  readonly identity: CertificateIdentity | undefined;
  /** When a transparency log has seen exactly this signature, by a verified entry. */
  readonly integratedTimeMs: number | undefined;
  /** The certificate sent along, verified or not. */
  readonly certificate: X509Certificate | undefined;
}

/** The signatures of one image. */
export interface SignatureEvidence {
  /** `sha256:…` of the manifest that was asked about. */
  readonly digest: string;
  readonly signatures: readonly Signature[];
  /** Why candidates were left out, for the log and for the error when nothing is left. */
  readonly rejected: readonly string[];
}
