import { ArtifactError } from '../errors.ts';
import type { Descriptor, ImageIndex, Platform } from './registry.ts';

const OPERATING_SYSTEMS = new Map([['win32', 'windows']]);
const ARCHITECTURES = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['ppc64', 'ppc64le'],
  ['mipsel', 'mipsle'],
]);

/** This machine, in the words of image indexes (those of Go). */
export function hostPlatform(): Platform {
  return {
    os: OPERATING_SYSTEMS.get(process.platform) ?? process.platform,
    architecture: ARCHITECTURES.get(process.arch) ?? process.arch,
    variant: undefined,
  };
}

/**
 * The entry of an index that is for a platform: the first with its system and architecture. The variant counts only when
 * it is asked for.
 *
 * @throws ArtifactError `artifact-invalid`
 */
export function manifestForPlatform(index: ImageIndex, platform: Platform): Descriptor {
  const found = index.manifests.find((entry) => fits(entry.platform, platform));
  if (found !== undefined) return found;
  throw new ArtifactError(
    'artifact-invalid',
    'Fail to interact with OCI registry: Image manifest not found: no entry found in image index manifest matching ' +
      `client's default platform – ${index.digest} has no entry for ${platform.os}/${platform.architecture}`,
  );
}

function fits(candidate: Platform | undefined, wanted: Platform): boolean {
  return (
    candidate !== undefined &&
    candidate.os === wanted.os &&
    candidate.architecture === wanted.architecture &&
    (wanted.variant === undefined || candidate.variant === wanted.variant)
  );
}
