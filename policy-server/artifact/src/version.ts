import type { PolicyMetadata } from '@portcullis/protocol';
import { ArtifactError } from './errors.ts';

/** The Kubewarden release whose contract is served: what `minimumKubewardenVersion` is compared with. */
export const KUBEWARDEN_VERSION = '1.36.0';

const MAJOR_MINOR = /^(\d{1,9})\.(\d{1,9})(?:\.|$)/;

/**
 * The version a policy asks for, as `X.Y.0`, when it is newer than what is served; `undefined` when the policy may run.
 * Patch, pre-release and build parts do not count.
 */
export function unmetMinimumVersion(metadata: PolicyMetadata | undefined): string | undefined {
  const wanted = metadata?.minimumKubewardenVersion;
  if (wanted === undefined) return undefined;
  const [major, minor] = majorMinor(wanted);
  const [ownMajor, ownMinor] = majorMinor(KUBEWARDEN_VERSION);
  return major > ownMajor || (major === ownMajor && minor > ownMinor) ? `${major}.${minor}.0` : undefined;
}

/** @throws ArtifactError `version-unsupported` when the policy needs a newer release */
export function checkMinimumVersion(metadata: PolicyMetadata | undefined): void {
  const wanted = unmetMinimumVersion(metadata);
  if (wanted !== undefined) {
    throw new ArtifactError(
      'version-unsupported',
      `Policy required Kubewarden version ${wanted} but is running on ${KUBEWARDEN_VERSION}`,
    );
  }
}

function majorMinor(version: string): [number, number] {
  const match = MAJOR_MINOR.exec(version);
  if (match === null) {
    throw new ArtifactError(
      'metadata-invalid',
      `minimumKubewardenVersion: expected a version such as ${KUBEWARDEN_VERSION}, got '${version}'`,
    );
  }
  return [Number(match[1]), Number(match[2])];
}
