import { createHash, X509Certificate } from 'node:crypto';
import type { Bundle } from '@sigstore/bundle';
import { decodeUtf8, encodeUtf8, messageOf } from '@portcullis/protocol';
import { prove, type EvidenceContext } from './proofs.ts';
import type { Signature } from './signature.ts';
import { bytesEqual, comparisonOf, verifiesUnder, type SignedContent } from './signed-content.ts';
import { readSignStatement, STATEMENT_PAYLOAD_TYPE } from './statement.ts';
import { quoted, unproven } from './unproven.ts';

export const BUNDLE_MEDIA_TYPE_PREFIX = 'application/vnd.dev.sigstore.bundle';
/** Each time stamp costs the check of a chain. */
const MAX_TIME_STAMPS = 4;

/**
 * A Sigstore bundle, versions 0.1 to 0.3: an in-toto statement in a DSSE envelope (what cosign 3 writes), or a plain
 * signature over the manifest.
 *
 * @throws ArtifactError `verification-failed` with the reason why the bundle is no signature of the image
 */
export async function readBundle(bytes: Uint8Array, context: EvidenceContext): Promise<Signature> {
  const bundle = await parseBundle(bytes);
  const { content, annotations } = await readContent(bundle, context);
  const certificate = certificateOf(bundle);
  const { signedBytes, signature } = content;
  const { signerKey, identity, integratedTimeMs } = await prove(
    {
      entries: bundle.verificationMaterial.tlogEntries,
      certificate,
      async entity() {
        const { toSignedEntity } = await import('@sigstore/verify');
        return { ...toSignedEntity(bundle), signature: comparisonOf(content) };
      },
    },
    context,
  );
  return {
    origin: 'bundle',
    annotations,
    isSignedBy: (key) => signerKey?.equals(key) !== false && verifiesUnder(key, signedBytes, signature),
    identity,
    integratedTimeMs,
    certificate,
  };
}

async function parseBundle(bytes: Uint8Array): Promise<Bundle> {
  const { bundleFromJSON } = await import('@sigstore/bundle');
  let bundle: Bundle;
  try {
    bundle = bundleFromJSON(JSON.parse(decodeUtf8(bytes)));
  } catch (error) {
    throw unproven(`it is no Sigstore bundle: ${messageOf(error)}${faultyFields(error)}`, error);
  }
  const stamps = bundle.verificationMaterial.timestampVerificationData?.rfc3161Timestamps.length ?? 0;
  if (stamps > MAX_TIME_STAMPS) throw unproven(`more than ${MAX_TIME_STAMPS} time stamps`);
  return bundle;
}

/** The library's error names what is missing in a list beside its message. */
function faultyFields(error: unknown): string {
  const fields: unknown = error instanceof Error && 'fields' in error ? error.fields : undefined;
  return Array.isArray(fields) ? ` (${fields.slice(0, 5).join(', ')})` : '';
}

async function readContent(
  { content }: Bundle,
  context: EvidenceContext,
): Promise<{ content: SignedContent; annotations: ReadonlyMap<string, string> }> {
  if (content.$case === 'messageSignature') {
    const { messageDigest, signature } = content.messageSignature;
    const payload = await context.manifestBytes();
    // Not what is verified, but whoever signed something else should read that, and not of a bad signature.
    if (!bytesEqual(messageDigest.digest, createHash('sha256').update(payload).digest())) {
      throw unproven(`the signature is not of ${context.digest}`);
    }
    return { content: { signedBytes: payload, payload, signature }, annotations: new Map() };
  }
  const { payloadType, payload, signatures } = content.dsseEnvelope;
  const [envelopeSignature] = signatures;
  if (envelopeSignature === undefined || signatures.length !== 1) throw unproven('an envelope with one signature');
  if (payloadType !== STATEMENT_PAYLOAD_TYPE) {
    throw unproven(`the payload of the envelope is ${quoted(payloadType)}, expected "${STATEMENT_PAYLOAD_TYPE}"`);
  }
  const annotations = readSignStatement(payload, context.digest);
  const signedBytes = preAuthenticationEncoding(payloadType, payload);
  return { content: { signedBytes, payload, signature: envelopeSignature.sig }, annotations };
}

/** DSSE v1: `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`. */
function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const length = Buffer.byteLength(payloadType);
  return Buffer.concat([encodeUtf8(`DSSEv1 ${length} ${payloadType} ${payload.length} `), payload]);
}

function certificateOf({ verificationMaterial }: Bundle): X509Certificate | undefined {
  const { content } = verificationMaterial;
  if (content.$case === 'publicKey') return undefined;
  const raw =
    content.$case === 'certificate'
      ? content.certificate.rawBytes
      : content.x509CertificateChain.certificates[0]?.rawBytes;
  try {
    return new X509Certificate(raw ?? Buffer.alloc(0));
  } catch (error) {
    throw unproven(`its certificate cannot be read: ${messageOf(error)}`, error);
  }
}
