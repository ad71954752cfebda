import { createHash, X509Certificate } from 'node:crypto';
import type { TransparencyLogEntry } from '@sigstore/bundle';
import type { SignedEntity } from '@sigstore/verify';
import { any, map, messageOf, optional, readAs, required, string, struct, unsigned } from '@portcullis/protocol';
import type { Descriptor } from '../../registry/registry.ts';
import { logEntryKind } from './log-entry-key.ts';
import { prove, type EvidenceContext } from './proofs.ts';
import type { Signature } from './signature.ts';
import { signedTexts } from './signed-texts.ts';
import { comparisonOf, fromBase64, verifiesUnder, type SignedContent } from './signed-content.ts';
import { quoted, unproven } from './unproven.ts';

export const SIMPLE_SIGNING_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
const SIGNATURE_TYPE = 'cosign container image signature';
const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';
const ENTRY_ANNOTATION = 'dev.sigstore.cosign/bundle';
const CERTIFICATE_ANNOTATION = 'dev.sigstore.cosign/certificate';
/** Base64 of what any key or log makes, with room to spare. */
const MAX_ANNOTATION = 256 * 1024;

const payloadShape = struct('a simple signing payload', {
  critical: required(
    struct('the critical part', {
      type: required(string),
      image: required(struct('the image', { 'docker-manifest-digest': required(string) })),
    }),
  ),
  optional: optional(map(any)),
});

const entryShape = struct('a log entry', {
  SignedEntryTimestamp: required(string),
  Payload: required(
    struct('the payload of a log entry', {
      body: required(string),
      integratedTime: required(unsigned('u64', Number.MAX_SAFE_INTEGER)),
      logIndex: required(unsigned('u64', Number.MAX_SAFE_INTEGER)),
      logID: required(string),
    }),
  ),
});

/**
 * One layer of a cosign signature image: the payload that was signed, and in the annotations the signature, the log entry
 * and the certificate.
 *
 * @throws ArtifactError `verification-failed` with the reason why the layer is no signature of the image
 */
export async function readSimpleSigning(
  { annotations }: Descriptor,
  payload: Uint8Array,
  context: EvidenceContext,
): Promise<Signature> {
  const signedAnnotations = readPayload(payload, context.digest);
  const signature = fromBase64(annotationText(annotations, SIGNATURE_ANNOTATION) ?? '');
  if (signature === undefined || signature.length === 0) {
    throw unproven(`no base64 signature in the annotation ${SIGNATURE_ANNOTATION}`);
  }
  const certificate = readCertificate(annotationText(annotations, CERTIFICATE_ANNOTATION), context);
  const entry = readEntry(annotationText(annotations, ENTRY_ANNOTATION));
  const content: SignedContent = { signedBytes: payload, payload, signature };
  const { signerKey, identity, integratedTimeMs } = await prove(
    {
      entries: entry === undefined ? [] : [entry],
      certificate,
      entity: () => entityOf(content, certificate, entry),
    },
    context,
  );
  return {
    origin: 'cosign-tag',
    annotations: signedAnnotations,
    isSignedBy: (key) => signerKey?.equals(key) !== false && verifiesUnder(key, payload, signature),
    identity,
    integratedTimeMs,
    certificate,
  };
}

/** What was signed must be this image; the rest of what was signed along comes back. */
function readPayload(payload: Uint8Array, digest: string): ReadonlyMap<string, string> {
  let read: ReturnType<typeof payloadShape.read>;
  try {
    read = readAs(payloadShape, payload);
  } catch (error) {
    throw unproven(`the payload is no simple signing payload: ${messageOf(error)}`, error);
  }
  const { type, image } = read.critical;
  if (type !== SIGNATURE_TYPE) throw unproven(`the payload is a ${quoted(type)}, expected "${SIGNATURE_TYPE}"`);
  const signed = image['docker-manifest-digest'];
  if (signed !== digest) throw unproven(`the signature is of ${quoted(signed)}, not of ${digest}`);
  return signedTexts(read.optional ?? new Map());
}

function annotationText(annotations: ReadonlyMap<string, string>, name: string): string | undefined {
  const text = annotations.get(name);
  if (text !== undefined && text.length > MAX_ANNOTATION) {
    throw unproven(`the annotation ${name} is longer than ${MAX_ANNOTATION} characters`);
  }
  return text === '' ? undefined : text;
}

function readCertificate(pem: string | undefined, context: EvidenceContext): X509Certificate | undefined {
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch (error) {
    context.remark(`its certificate cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

/** The promise of a Rekor log as cosign keeps it. */
function readEntry(text: string | undefined): TransparencyLogEntry | undefined {
  if (text === undefined) return undefined;
  let read: ReturnType<typeof entryShape.read>;
  try {
    read = readAs(entryShape, text);
  } catch (error) {
    throw unproven(`the log entry cannot be read: ${messageOf(error)}`, error);
  }
  const { body, integratedTime, logIndex, logID } = read.Payload;
  const canonicalizedBody = fromBase64(body);
  const signedEntryTimestamp = fromBase64(read.SignedEntryTimestamp);
  if (canonicalizedBody === undefined || signedEntryTimestamp === undefined || !/^[0-9a-f]{64}$/.test(logID)) {
    throw unproven('the log entry cannot be read: expected base64 and a hexadecimal log id');
  }
  return {
    logIndex: String(logIndex),
    logId: { keyId: Buffer.from(logID, 'hex') },
    kindVersion: logEntryKind(canonicalizedBody),
    integratedTime: String(integratedTime),
    inclusionPromise: { signedEntryTimestamp },
    inclusionProof: undefined,
    canonicalizedBody,
  };
}

/** The parts put together as a bundle of an early version, which the library knows how to judge. */
async function entityOf(
  content: SignedContent,
  certificate: X509Certificate | undefined,
  entry: TransparencyLogEntry | undefined,
): Promise<SignedEntity> {
  const { toMessageSignatureBundle } = await import('@sigstore/bundle');
  const { toSignedEntity } = await import('@sigstore/verify');
  const { payload, signature } = content;
  const digest = createHash('sha256').update(payload).digest();
  const key = certificate === undefined ? { keyHint: '' } : { certificate: certificate.raw, certificateChain: true };
  const bundle = toMessageSignatureBundle({ digest, signature, ...key });
  if (entry !== undefined) bundle.verificationMaterial.tlogEntries.push(entry);
  return { ...toSignedEntity(bundle), signature: comparisonOf(content) };
}
