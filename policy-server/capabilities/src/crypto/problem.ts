/**
 * Why a path does not hold, under the names by which users of the field know them (those of rustls-webpki, which policies
 * were shown until now).
 */
export type PathProblem =
  | 'CertExpired'
  | 'CertNotValidYet'
  | 'InvalidCertValidity'
  | 'NameConstraintViolation'
  | 'PathLenConstraintViolated'
  | 'CaUsedAsEndEntity'
  | 'EndEntityUsedAsCa'
  | 'IssuerNotCertSigner'
  | 'UnsupportedSignatureAlgorithmForPublicKey'
  | 'UnsupportedSignatureAlgorithm'
  | 'UnsupportedCriticalExtension'
  | 'UnsupportedCertVersion'
  | 'BadDer'
  | 'MaximumPathDepthExceeded'
  | 'MaximumSignatureChecksExceeded'
  | 'MaximumPathBuildCallsExceeded'
  | 'MaximumNameConstraintComparisonsExceeded'
  | 'UnknownIssuer';

/** The most telling first: what is wrong with a path that nearly holds says more than that another leads nowhere. */
const BY_WEIGHT: readonly PathProblem[] = [
  'MaximumSignatureChecksExceeded',
  'MaximumPathBuildCallsExceeded',
  'MaximumNameConstraintComparisonsExceeded',
  'CertExpired',
  'CertNotValidYet',
  'NameConstraintViolation',
  'PathLenConstraintViolated',
  'CaUsedAsEndEntity',
  'EndEntityUsedAsCa',
  'IssuerNotCertSigner',
  'InvalidCertValidity',
  'UnsupportedSignatureAlgorithmForPublicKey',
  'UnsupportedSignatureAlgorithm',
  'UnsupportedCriticalExtension',
  'UnsupportedCertVersion',
  'MaximumPathDepthExceeded',
  'BadDer',
  'UnknownIssuer',
];

/** Of two problems the one that is worth telling. */
export function weightier(first: PathProblem, second: PathProblem): PathProblem {
  return BY_WEIGHT.indexOf(first) <= BY_WEIGHT.indexOf(second) ? first : second;
}

const REASONS: ReadonlyMap<PathProblem, string> = new Map([
  ['UnknownIssuer', 'Certificate is not trusted by the provided cert chain'],
  ['CertExpired', 'Certificate is being used after its expiration date'],
  ['CertNotValidYet', 'Certificate is being used before its validity date'],
]);

/** What the policy is told. */
export function reasonOf(problem: PathProblem): string {
  return REASONS.get(problem) ?? `Certificate not trusted: ${problem}`;
}
