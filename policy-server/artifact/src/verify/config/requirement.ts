/** A signature that must be there. Texts are compared exactly, never as patterns. */
export type SignatureRequirement = PubKeyRequirement | GenericIssuerRequirement | GithubActionRequirement;

interface RequirementBase {
  /** Each must be among the annotations of the very signature that meets the requirement. */
  readonly annotations: ReadonlyMap<string, string> | undefined;
}

export interface PubKeyRequirement extends RequirementBase {
  readonly kind: 'pubKey';
  readonly owner: string | undefined;
  /** PEM. */
  readonly key: string;
}

export interface GenericIssuerRequirement extends RequirementBase {
  readonly kind: 'genericIssuer';
  readonly issuer: string;
  readonly subject: Subject;
}

/** `urlPrefix` ends in a slash, so that it never matches a name that merely begins alike. */
export type Subject =
  | { readonly kind: 'equal'; readonly value: string }
  | { readonly kind: 'urlPrefix'; readonly value: string };

export interface GithubActionRequirement extends RequirementBase {
  readonly kind: 'githubAction';
  readonly owner: string;
  readonly repo: string | undefined;
}

/** A certificate that a policy itself names (`oci/v2/verify`); not part of verification.yml. */
export interface CertificateRequirement extends RequirementBase {
  readonly kind: 'certificate';
  /** PEM. */
  readonly certificate: string;
  /** PEM, each an anchor; `undefined` = the certificate is trusted as it is. */
  readonly chain: readonly string[] | undefined;
  readonly requireRekorBundle: boolean;
}

/** What must be met: all of `allOf`, and `minimumMatches` of `anyOf`. */
export interface VerificationConfig<R = SignatureRequirement> {
  readonly allOf: readonly R[] | undefined;
  readonly anyOf: { readonly minimumMatches: number; readonly signatures: readonly R[] } | undefined;
}
