import { formatImageReference, messageOf, type ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../../errors.ts';
import type { ArtifactLog } from '../../log.ts';
import type { RegistryReader, RequestOptions } from '../../registry/registry.ts';
import type { TrustRoot, TrustRootSource } from '../trust/trust-root.ts';
import { readBundle } from './bundle.ts';
import { findCandidates, type Candidate } from './candidates.ts';
import type { EvidenceContext } from './proofs.ts';
import type { Signature, SignatureEvidence } from './signature.ts';
import { readSimpleSigning } from './simple-signing.ts';
import { printable, unproven } from './unproven.ts';

export interface CollectOptions {
  readonly client: RegistryReader;
  readonly trustRoot: TrustRootSource;
  readonly signal?: AbortSignal;
  readonly log: ArtifactLog;
  /**
   * False when only keys are asked for: then a trust root that would have to come over the network is not waited for.
   *
   * @default true
   */
  readonly needsIdentity?: boolean;
}

/** A payload is 300 bytes and its annotations, a bundle 10 kB; taken apart, a hostile one grows a hundredfold. */
const MAX_PAYLOAD_BYTES = 64 * 1024;
const MAX_BUNDLE_BYTES = 256 * 1024;
const TARGET = 'policy_fetcher::verify';

/**
 * Collects the signatures beside an image: layers under cosign's tag, and bundles that refer to the image. What is no
 * signature of it, or carries proofs that do not hold, is left out with a reason; what is left still has to be compared with
 * what is required.
 *
 * @throws ArtifactError when the image cannot be found, with the code of what the registry answered
 */
export async function collectSignatures(
  reference: ImageReference,
  options: CollectOptions,
): Promise<SignatureEvidence> {
  const request: RequestOptions = options.signal === undefined ? {} : { signal: options.signal };
  const digest = await resolveDigest(reference, options.client, request);
  const { client, log } = options;
  const { found, unread } = await findCandidates({ client, reference, digest, options: request });
  const rejected: string[] = [...unread];
  for (const reason of unread) logSkip(log, reason);
  const context = contextOf(reference, digest, options);
  const signatures: Signature[] = [];
  for (const candidate of found) {
    try {
      signatures.push(
        await readCandidate(candidate, reference, {
          client,
          request,
          context: { ...context, remark: remarkOn(candidate, log) },
        }),
      );
    } catch (error) {
      if (error instanceof ArtifactError && error.code === 'aborted') throw error;
      const reason = `${placeOf(candidate)}: ${printable(messageOf(error))}`;
      logSkip(log, reason);
      rejected.push(reason);
    }
  }
  return { digest, signatures, rejected };
}

/** The text of a missing image is the one operators know. */
async function resolveDigest(
  reference: ImageReference,
  client: RegistryReader,
  request: RequestOptions,
): Promise<string> {
  try {
    return await client.digest(reference, request);
  } catch (error) {
    if (!(error instanceof ArtifactError) || error.code === 'aborted') throw error;
    const text = `failed to get image trusted layers: Cannot fetch manifest of ${formatImageReference(reference)}`;
    throw new ArtifactError(error.code, `${text}: ${error.message}`, { cause: error });
  }
}

function contextOf(
  { registry, repository }: ImageReference,
  digest: string,
  options: CollectOptions,
): Omit<EvidenceContext, 'remark'> {
  let root: Promise<TrustRoot | undefined> | undefined;
  let manifest: Promise<Uint8Array> | undefined;
  return {
    digest,
    trustRoot: () => (root ??= trustRootIfNeeded(options)),
    manifestBytes: () =>
      (manifest ??= options.client
        .manifest({ registry, repository, digest }, options.signal === undefined ? {} : { signal: options.signal })
        .then(({ bytes }) => bytes)),
  };
}

/** Without one, signatures of keys can still be told; those that only a certificate vouches for count for nothing. */
async function trustRootIfNeeded(options: CollectOptions): Promise<TrustRoot | undefined> {
  const { trustRoot, needsIdentity, log } = options;
  if (needsIdentity === false && trustRoot.needsNetwork === true) return undefined;
  try {
    return await trustRoot.trustRoot();
  } catch (error) {
    const message = `Certificates and log entries of signatures cannot be judged: ${messageOf(error)}`;
    log({ level: 'info', target: TARGET, message });
    return undefined;
  }
}

async function readCandidate(
  { kind, descriptor }: Candidate,
  reference: ImageReference,
  { client, context, request }: { client: RegistryReader; context: EvidenceContext; request: RequestOptions },
): Promise<Signature> {
  const maxBytes = kind === 'bundle' ? MAX_BUNDLE_BYTES : MAX_PAYLOAD_BYTES;
  if (descriptor.size > maxBytes) throw unproven(`it has ${descriptor.size} bytes, more than ${maxBytes}`);
  const bytes = await client.blob(reference, descriptor, { ...request, maxBytes });
  return kind === 'bundle' ? readBundle(bytes, context) : readSimpleSigning(descriptor, bytes, context);
}

function remarkOn(candidate: Candidate, log: ArtifactLog): (text: string) => void {
  return (text) =>
    log({ level: 'info', target: TARGET, message: `Signature ${placeOf(candidate)}: ${printable(text)}` });
}

function logSkip(log: ArtifactLog, reason: string): void {
  log({ level: 'info', target: TARGET, message: `Skipping signature ${reason}` });
}

function placeOf({ descriptor, place }: Candidate): string {
  return `${descriptor.digest} of ${place}`;
}
