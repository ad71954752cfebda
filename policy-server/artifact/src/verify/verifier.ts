import { formatImageReference, type ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import type { RegistryReader } from '../registry/registry.ts';
import type { VerificationConfig } from './config/requirement.ts';
import { collectSignatures } from './evidence/collect.ts';
import type { SignatureEvidence } from './evidence/signature.ts';
import { judge, requireAnything, UnmetRequirements, type MetRequirement } from './judge.ts';
import { checkLocalFile, type CheckedFile } from './local-file.ts';
import type { Requirement } from './requirement-match.ts';
import { warnOfTrustRoot, watchTrustRoot } from './trust-watch.ts';
import type { TrustRootSource } from './trust/trust-root.ts';

/** Makes sure that policies come from whom the operator trusts. */
export interface PolicyVerifier {
  /**
   * Checks the signatures of what the reference names now. Only what has the digest of the answer was verified.
   *
   * @throws ArtifactError `verification-failed`, `trust-root-unavailable`, or what the registry makes fail
   */
  verify(reference: ImageReference, options?: VerifyOptions): Promise<VerifiedImage>;
  /**
   * Checks that a local file is the module of a manifest that was verified.
   *
   * @returns the digest the module has: whoever reads the file later compares again
   * @throws ArtifactError `verification-failed`
   */
  checkFile(reference: ImageReference, digest: string, path: string): Promise<CheckedFile>;
}

export interface VerifyOptions {
  readonly signal?: AbortSignal;
}

export interface VerifiedImage {
  /** Of the manifest, or index, whose signatures hold. */
  readonly digest: string;
  /** Which signature met which requirement. */
  readonly met: readonly MetRequirement[];
}

export interface PolicyVerifierOptions<R extends Requirement = Requirement> {
  readonly client: RegistryReader;
  readonly config: VerificationConfig<R>;
  readonly trustRoot: TrustRootSource;
  readonly log: ArtifactLog;
  readonly now: () => Date;
}

/** A verifier that lets nothing pass it did not prove: whatever cannot be had or understood is a failed verification. */
export function createPolicyVerifier(options: PolicyVerifierOptions): PolicyVerifier {
  const onTrustFailure = warnOfTrustRoot(options.log);
  warnOfNothingRequired(options);
  return {
    verify: (reference, { signal } = {}) => verifyImage(reference, { ...options, onTrustFailure, signal }),
    checkFile: (reference, digest, path) => checkLocalFile({ ...options, reference, digest, path }),
  };
}

interface Verification extends PolicyVerifierOptions {
  readonly onTrustFailure: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
}

async function verifyImage(reference: ImageReference, verification: Verification): Promise<VerifiedImage> {
  const { client, config, signal, log, now } = verification;
  requireAnything(config);
  const trust = watchTrustRoot(verification.trustRoot, verification.onTrustFailure);
  const evidence = await collectSignatures(reference, {
    client,
    trustRoot: trust.source,
    needsIdentity: asksForMoreThanKeys(config),
    log,
    ...(signal === undefined ? {} : { signal }),
  });
  requireSignatures(reference, evidence);
  try {
    return { digest: evidence.digest, met: await judge(config, evidence, { log, now: now(), signal }) };
  } catch (error) {
    throw error instanceof UnmetRequirements ? trust.explain(error) : error;
  }
}

function warnOfNothingRequired({ config: { allOf, anyOf }, log }: PolicyVerifierOptions): void {
  if (allOf !== undefined || anyOf?.minimumMatches !== 0) return;
  const message = 'The verification config requires 0 signatures: whatever anybody signed will pass';
  log({ level: 'warn', target: 'policy_fetcher::verify', message });
}

/** Which key made a signature shows without a trust root. */
function asksForMoreThanKeys({ allOf = [], anyOf }: VerificationConfig<Requirement>): boolean {
  return [...allOf, ...(anyOf?.signatures ?? [])].some(({ kind }) => kind !== 'pubKey');
}

function requireSignatures(reference: ImageReference, { signatures, rejected }: SignatureEvidence): void {
  if (signatures.length > 0) return;
  const message =
    rejected.length === 0
      ? `no signatures found for image: ${formatImageReference(reference)} `
      : `failed to get image trusted layers: No Signature Layer passed verification – ${shortened(rejected)}`;
  throw new ArtifactError('verification-failed', message);
}

const MAX_SHOWN_REASONS = 5;

/** A stranger may have put any number of signatures there; the log has them all. */
function shortened(reasons: readonly string[]): string {
  const more = reasons.length - MAX_SHOWN_REASONS;
  return reasons.slice(0, MAX_SHOWN_REASONS).join('; ') + (more > 0 ? `; and ${more} more` : '');
}
