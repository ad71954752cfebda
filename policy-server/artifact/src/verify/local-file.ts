import type { ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import { hostPlatform, manifestForPlatform } from '../registry/platform.ts';
import type { ImageManifest, RegistryReader } from '../registry/registry.ts';
import { systemErrorText } from '../system-error.ts';
import { LAYER_MEDIA_TYPE } from '../policy-media-types.ts';
import { hashFile } from '../file.ts';

const SHA256 = 'sha256:';

export interface LocalFile {
  readonly client: RegistryReader;
  readonly reference: ImageReference;
  /** Of the manifest whose signatures were verified. */
  readonly digest: string;
  readonly path: string;
  readonly log: ArtifactLog;
}

/** What a file that passed holds. */
export interface CheckedFile {
  /** Hexadecimal. */
  readonly sha256: string;
}

/**
 * Compares a file with the module of a signed manifest, whatever lay in its place before: a file that was in the store already
 * may have been changed there.
 *
 * @throws ArtifactError `verification-failed`
 */
export async function checkLocalFile(file: LocalFile): Promise<CheckedFile> {
  const expected = await moduleDigest(file);
  const actual = await sha256OfFile(file.path);
  if (actual !== expected) {
    throw failed(
      `The digest of the local file doesn't match with the one reported inside of the signed manifest. Got ${actual} instead of ${expected}`,
    );
  }
  file.log({
    level: 'info',
    target: 'policy_fetcher::verify',
    message: 'Local file checksum verification passed',
  });
  return { sha256: expected };
}

/** Hexadecimal SHA-256 of the one module that the verified manifest has. */
async function moduleDigest(file: LocalFile): Promise<string> {
  const { layers } = await signedManifest(file);
  const [module, second] = layers.filter(({ mediaType }) => mediaType === LAYER_MEDIA_TYPE);
  if (module === undefined || second !== undefined) {
    throw failed("Cannot verify local file integrity, the remote manifest doesn't have only one WASM layer");
  }
  if (module.digest.startsWith(SHA256)) return module.digest.slice(SHA256.length);
  throw failed(
    `Cannot verify local file integrity, the remote manifest has no ${SHA256} digest of the WASM layer but ${module.digest}`,
  );
}

/** The manifest is asked for by digest, so that nobody can change it behind the signature. */
async function signedManifest({ client, reference, digest }: LocalFile): Promise<ImageManifest> {
  const { registry, repository } = reference;
  const signed = await client.manifest({ registry, repository, digest });
  if (signed.kind === 'manifest') return signed;
  // Who signed the index signed the digests in it.
  const entry = manifestForPlatform(signed, hostPlatform());
  const manifest = await client.manifest({ registry, repository, digest: entry.digest });
  if (manifest.kind === 'manifest') return manifest;
  throw failed(`Cannot verify local file integrity, ${entry.digest} is an index within the index ${digest}`);
}

async function sha256OfFile(path: string): Promise<string> {
  try {
    return await hashFile(path, 'sha256');
  } catch (error) {
    throw failed(
      `Policy cannot be verified, local wasm file doesn't exist: ${path} – ${systemErrorText(error)}`,
      error,
    );
  }
}

function failed(message: string, cause?: unknown): ArtifactError {
  return new ArtifactError('verification-failed', message, { cause });
}
