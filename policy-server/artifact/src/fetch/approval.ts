import { ArtifactError } from '../errors.ts';
import { shownModuleLocation, type ModuleLocation } from '../location.ts';
import type { ArtifactLog } from '../log.ts';
import type { PolicyVerifier } from '../verify/verifier.ts';
import { staged } from './stage.ts';

/** What is known of a policy before its bytes are here, and the check of those. */
export interface Approval {
  readonly verifiedDigest: string | undefined;
  /** Set by the check. */
  readonly verifiedSha256: string | undefined;
  /** @throws ArtifactError when a file is not the one that was signed */
  check(path: string): Promise<void>;
}

export interface ApprovalOptions {
  readonly verifier?: Pick<PolicyVerifier, 'verify' | 'checkFile'> | undefined;
  readonly unsignedFiles?: 'refuse' | 'warn';
  readonly log: ArtifactLog;
}

const NOT_ASKED_FOR: Approval = {
  verifiedDigest: undefined,
  verifiedSha256: undefined,
  check: () => Promise.resolve(),
};

/** Verifies the signatures of a policy, if anybody wants that. */
export async function createApproval(
  { verifier, unsignedFiles, log }: ApprovalOptions,
  location: ModuleLocation,
  signal: AbortSignal,
): Promise<Approval> {
  if (verifier === undefined) return NOT_ASKED_FOR;
  if (location.scheme === 'file' && unsignedFiles === 'warn') {
    log({
      level: 'warn',
      target: 'policy_fetcher::verify',
      message: 'A local file has no signatures: it is used without verification',
      fields: { policy: shownModuleLocation(location) },
    });
    return NOT_ASKED_FOR;
  }
  if (location.scheme !== 'registry') throw unsignable(location);
  const { reference } = location;
  const { digest } = await staged('verification', () => verifier.verify(reference, { signal }));
  let verifiedSha256: string | undefined;
  return {
    verifiedDigest: digest,
    get verifiedSha256() {
      return verifiedSha256;
    },
    async check(path) {
      verifiedSha256 = (await staged('checksum', () => verifier.checkFile(reference, digest, path))).sha256;
    },
  };
}

function unsignable(location: ModuleLocation): ArtifactError {
  return new ArtifactError(
    'verification-failed',
    `Invalid OCI image reference: invalid reference format – ${shownModuleLocation(location)} is in no registry, and only what is in one has signatures; pull it from there, or do without verification`,
    { stage: 'verification' },
  );
}
