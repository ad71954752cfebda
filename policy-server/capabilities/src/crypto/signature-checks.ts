import type { Certificate } from './certificate.ts';
import type { PathProblem } from './problem.ts';
import { isSupportedKey, isSupportedSignature } from './signature-algorithm.ts';

/** A path needs seven at most; more are for authorities of one name with many keys. A check takes up to a millisecond. */
const MAX_CHECKS = 50;

/** Checks who signed certificates, a limited number of times, and each certificate once with each key. */
export class SignatureChecks {
  readonly #known = new Map<Certificate, Map<string, PathProblem | undefined>>();
  readonly #turn: () => Promise<void>;
  #left = MAX_CHECKS;

  /** @param turn lets others have the thread when it has been long in use */
  constructor(turn: () => Promise<void>) {
    this.#turn = turn;
  }

  /** What keeps `issued` from having been signed with the key of `issuer`. */
  async problem(issued: Certificate, issuer: Certificate): Promise<PathProblem | undefined> {
    const known = this.#known.get(issued) ?? new Map<string, PathProblem | undefined>();
    if (known.has(issuer.publicKey)) return known.get(issuer.publicKey);
    if (this.#left-- <= 0) return 'MaximumSignatureChecksExceeded';
    await this.#turn();
    const problem = signatureProblem(issued, issuer);
    known.set(issuer.publicKey, problem);
    this.#known.set(issued, known);
    return problem;
  }
}

function signatureProblem(issued: Certificate, issuer: Certificate): PathProblem | undefined {
  if (!isSupportedSignature(issued.signatureAlgorithm)) return 'UnsupportedSignatureAlgorithm';
  try {
    const { publicKey } = issuer.x509;
    if (!isSupportedKey(publicKey)) return 'UnsupportedSignatureAlgorithmForPublicKey';
    return issued.x509.verify(publicKey) ? undefined : 'UnknownIssuer';
  } catch {
    return 'UnknownIssuer'; // a key OpenSSL cannot read, or one of another kind than the signature
  }
}
