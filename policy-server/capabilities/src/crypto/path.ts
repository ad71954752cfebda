import { createTurns } from '@portcullis/artifact';
import type { Certificate } from './certificate.ts';
import { satisfiesConstraints } from './name-constraints.ts';
import { weightier, type PathProblem } from './problem.ts';
import { SignatureChecks } from './signature-checks.ts';

/** What a certificate is to be verified with, and when. */
export interface PathSearch {
  readonly certificate: Certificate;
  /** In no order; what does not help is passed over. */
  readonly intermediates: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  readonly atMs: number;
  readonly signal: AbortSignal;
}

/** Paths of the public Web have two or three. */
const MAX_INTERMEDIATES = 6;
/** Everything is a guest's: a thicket of certificates that sign each other has more paths than anybody can walk. */
const MAX_STEPS = 10_000;
const MAX_NAME_COMPARISONS = 100_000;

/**
 * Looks for a path from the certificate to an anchor that holds at a given time (RFC 5280 §6.1, without policies and
 * revocation). An anchor is believed whatever its dates.
 *
 * @returns what is wrong with the best path; undefined when one holds
 */
export async function findPath(search: PathSearch): Promise<PathProblem | undefined> {
  const { certificate, atMs } = search;
  const problem = validityProblem(certificate, atMs);
  if (problem !== undefined) return problem;
  if (certificate.basicConstraints?.isAuthority === true) return 'CaUsedAsEndEntity';
  return new PathFinder(search).fromIssuersOf([certificate]);
}

class PathFinder {
  readonly #search: PathSearch;
  readonly #signatures: SignatureChecks;
  #steps = MAX_STEPS;
  #comparisons = MAX_NAME_COMPARISONS;
  /** Set once something has run out: then nothing is tried any more. */
  #exhausted: PathProblem | undefined;

  constructor(search: PathSearch) {
    this.#search = search;
    this.#signatures = new SignatureChecks(createTurns(search.signal));
  }

  /** @param path from the end entity to the authority whose issuers are to be found */
  async fromIssuersOf(path: readonly Certificate[]): Promise<PathProblem | undefined> {
    const { anchors, intermediates } = this.#search;
    let worst: PathProblem = 'UnknownIssuer';
    for (const anchor of anchors) {
      const problem = await this.#tryAnchor(anchor, path);
      if (problem === undefined) return undefined;
      worst = weightier(worst, problem);
    }
    for (const intermediate of intermediates) {
      const problem = await this.#tryIntermediate(intermediate, path);
      if (problem === undefined) return undefined;
      worst = weightier(worst, problem);
    }
    return worst;
  }

  async #tryAnchor(anchor: Certificate, path: readonly Certificate[]): Promise<PathProblem | undefined> {
    return (
      (await this.#issuanceProblem(anchor, path)) ??
      anchorProblem(anchor, path) ??
      this.#constraintProblem(anchor, path)
    );
  }

  async #tryIntermediate(issuer: Certificate, path: readonly Certificate[]): Promise<PathProblem | undefined> {
    if (path.some((other) => isSameAuthority(other, issuer))) return 'UnknownIssuer';
    const problem = await this.#issuanceProblem(issuer, path);
    if (problem !== undefined) return problem;
    if (path.length > MAX_INTERMEDIATES) return 'MaximumPathDepthExceeded';
    return (
      formProblem(issuer) ??
      validityProblem(issuer, this.#search.atMs) ??
      authorityProblem(issuer, path) ??
      this.#constraintProblem(issuer, path) ??
      this.fromIssuersOf([...path, issuer])
    );
  }

  /** Whether `issuer` has the name and the key by which the last of the path was issued. */
  async #issuanceProblem(issuer: Certificate, path: readonly Certificate[]): Promise<PathProblem | undefined> {
    if (this.#exhausted !== undefined) return this.#exhausted;
    if (--this.#steps < 0) return (this.#exhausted = 'MaximumPathBuildCallsExceeded');
    const issued = path.at(-1);
    if (issued === undefined || issued.issuer !== issuer.subject) return 'UnknownIssuer';
    const problem = await this.#signatures.problem(issued, issuer);
    if (problem === 'MaximumSignatureChecksExceeded') this.#exhausted = problem;
    return problem;
  }

  #constraintProblem({ nameConstraints }: Certificate, path: readonly Certificate[]): PathProblem | undefined {
    if (nameConstraints === undefined) return undefined;
    const budget = (comparisons: number): boolean => (this.#comparisons -= comparisons) >= 0;
    // RFC 5280 §6.1.3: an authority that certified itself anew is no name of its own.
    const named = path.filter((certificate, i) => i === 0 || !isSelfIssued(certificate));
    if (named.every((certificate) => satisfiesConstraints(nameConstraints, certificate, budget))) return undefined;
    if (this.#comparisons >= 0) return 'NameConstraintViolation';
    return (this.#exhausted = 'MaximumNameConstraintComparisonsExceeded');
  }
}

/** Whether what a certificate says can be understood. */
export function formProblem({ version, hasUnknownCritical }: Certificate): PathProblem | undefined {
  if (version !== 3) return 'UnsupportedCertVersion';
  return hasUnknownCritical ? 'UnsupportedCriticalExtension' : undefined;
}

function validityProblem({ notBeforeMs, notAfterMs }: Certificate, atMs: number): PathProblem | undefined {
  if (notBeforeMs > notAfterMs) return 'InvalidCertValidity';
  if (atMs < notBeforeMs) return 'CertNotValidYet';
  return atMs > notAfterMs ? 'CertExpired' : undefined;
}

/** Whether an authority may stand above `path`. */
function authorityProblem(
  { basicConstraints, mayCertify }: Certificate,
  path: readonly Certificate[],
): PathProblem | undefined {
  if (basicConstraints?.isAuthority !== true) return 'EndEntityUsedAsCa';
  if (!mayCertify) return 'IssuerNotCertSigner';
  const below = path.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  return below > (basicConstraints.maxPathLength ?? Infinity) ? 'PathLenConstraintViolated' : undefined;
}

/**
 * Whoever names an anchor vouches for it, so it need not say that it is an authority: those of version 1 cannot. One that says
 * it is none vouches for itself alone.
 */
function anchorProblem(anchor: Certificate, path: readonly Certificate[]): PathProblem | undefined {
  const [certificate] = path;
  if (path.length === 1 && certificate !== undefined && Buffer.compare(certificate.der, anchor.der) === 0)
    return undefined;
  if (anchor.basicConstraints !== undefined) return authorityProblem(anchor, path);
  return anchor.mayCertify ? undefined : 'IssuerNotCertSigner';
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return issuer === subject;
}

function isSameAuthority(first: Certificate, second: Certificate): boolean {
  return first.subject === second.subject && first.publicKey === second.publicKey;
}
