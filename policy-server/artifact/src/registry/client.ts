import type { CredentialSource } from '../credentials/credentials.ts';
import type { ArtifactLog } from '../log.ts';
import { openBlob, readBlob } from './blob.ts';
import { fetchDigest, fetchManifest } from './manifest-request.ts';
import { fetchReferrers } from './referrers.ts';
import type { RegistryClient } from './registry.ts';
import { createSession } from './session.ts';
import type { Transport } from '../transport/transport.ts';
import { uploadBlob, uploadManifest } from './upload.ts';

export interface RegistryClientOptions {
  readonly transport: Transport;
  readonly credentials: CredentialSource;
  readonly log: ArtifactLog;
  /** Milliseconds of a clock that never goes back: tokens run out by it. */
  readonly nowMs?: () => number;
}

/** The OCI distribution API, as far as policies need it. Challenges and tokens are kept for the client's lifetime. */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { transport, credentials, log, nowMs = () => performance.now() } = options;
  const session = createSession({ transport, credentials, log, nowMs });
  return {
    digest: (reference, given) => fetchDigest(session, reference, given),
    manifest: (reference, given) => fetchManifest(session, reference, given),
    blob: (repository, descriptor, given) => readBlob(session, repository, descriptor, given),
    openBlob: (repository, descriptor, given) => openBlob(session, repository, descriptor, given),
    referrers: (repository, digest, given) => fetchReferrers(session, repository, digest, given),
    pushBlob: (repository, bytes, digest, given) => uploadBlob(session, repository, { bytes, digest }, given),
    pushManifest: (reference, bytes, mediaType, given) =>
      uploadManifest(session, reference, { bytes, mediaType }, given),
  };
}
