import { createHash, sign, type KeyObject } from 'node:crypto';
import { TransparencyLogEntry } from '@sigstore/protobuf-specs';
import type { Layer } from './test-image.ts';
import type { KeyPair, LogRecord } from './test-sigstore.ts';

export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const BUNDLE_V03 = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const STATEMENT = 'application/vnd.in-toto+json';

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
export const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
export const publicPem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

/** What cosign 2 signs. */
export function simplePayload(digest: string, optional: unknown = null): Buffer {
  const critical = {
    identity: { 'docker-reference': 'registry.test/policy' },
    image: { 'docker-manifest-digest': digest },
    type: 'cosign container image signature',
  };
  return Buffer.from(JSON.stringify({ critical, optional }));
}

export interface LegacyParts {
  readonly signature?: Uint8Array;
  readonly entry?: TransparencyLogEntry;
  readonly pem?: string;
}

export function legacyLayer(payload: Uint8Array, { signature, entry, pem }: LegacyParts): Layer {
  const annotations: Record<string, string> = {};
  if (signature !== undefined) annotations['dev.cosignproject.cosign/signature'] = base64(signature);
  if (pem !== undefined) annotations['dev.sigstore.cosign/certificate'] = pem;
  if (entry !== undefined) annotations['dev.sigstore.cosign/bundle'] = JSON.stringify(promiseOf(entry));
  return { mediaType: SIMPLE_SIGNING, bytes: payload, annotations };
}

/** A log's promise in the words of cosign 2. */
function promiseOf(entry: TransparencyLogEntry): object {
  const { canonicalizedBody, integratedTime, logIndex, logId, inclusionPromise } = entry;
  return {
    SignedEntryTimestamp: inclusionPromise?.signedEntryTimestamp.toString('base64'),
    Payload: {
      body: base64(canonicalizedBody),
      integratedTime: Number(integratedTime),
      logIndex: Number(logIndex),
      logID: logId?.keyId.toString('hex'),
    },
  };
}

/** What Rekor keeps of a signature over bytes. */
export function hashedRekord(signed: Uint8Array, signature: Uint8Array, keyPem: string): LogRecord {
  return {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: sha256(signed).toString('hex') } },
      signature: { content: base64(signature), publicKey: { content: base64(Buffer.from(keyPem)) } },
    },
  };
}

/** What Rekor keeps of an envelope. */
export function dsseRecord(payload: Uint8Array, signature: Uint8Array, keyPem: string): LogRecord {
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      envelopeHash: { algorithm: 'sha256', value: sha256(payload).toString('hex') },
      payloadHash: { algorithm: 'sha256', value: sha256(payload).toString('hex') },
      signatures: [{ signature: base64(signature), verifier: base64(Buffer.from(keyPem)) }],
    },
  };
}

/** What Rekor kept of an envelope before it knew the kind `dsse`: the signature is base64 of base64. */
export function intotoRecord(payload: Uint8Array, signature: Uint8Array, keyPem: string): LogRecord {
  const entry = { sig: base64(Buffer.from(base64(signature))), publicKey: base64(Buffer.from(keyPem)) };
  const payloadHash = { algorithm: 'sha256', value: sha256(payload).toString('hex') };
  const content = { envelope: { payloadType: STATEMENT, signatures: [entry] }, payloadHash };
  return { apiVersion: '0.0.2', kind: 'intoto', spec: { content } };
}

/** What the second generation of Rekor keeps of an envelope. */
export function dsseRecordV2(payload: Uint8Array, signature: Uint8Array, key: KeyObject): LogRecord {
  const rawBytes = base64(key.export({ type: 'spki', format: 'der' }));
  const verifier = { publicKey: { rawBytes }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
  const payloadHash = { algorithm: 'SHA2_256', digest: base64(sha256(payload)) };
  const dsseV002 = { payloadHash, signatures: [{ content: base64(signature), verifier }] };
  return { apiVersion: '0.0.2', kind: 'dsse', spec: { dsseV002 } };
}

export interface StatementParts {
  readonly digests?: readonly string[];
  readonly predicateType?: string;
  readonly type?: string;
  readonly annotations?: unknown;
}

/** What cosign 3 signs. */
export function signStatement(digest: string, parts: StatementParts = {}): Buffer {
  const { digests = [digest], annotations } = parts;
  return Buffer.from(
    JSON.stringify({
      _type: parts.type ?? 'https://in-toto.io/Statement/v1',
      subject: digests.map((text) => ({
        digest: { sha256: text.slice('sha256:'.length) },
        ...(annotations === undefined ? {} : { annotations }),
      })),
      predicateType: parts.predicateType ?? 'https://sigstore.dev/cosign/sign/v1',
      predicate: {},
    }),
  );
}

export function preAuthentication(payload: Uint8Array, type = STATEMENT): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
}

export const signBytes = (bytes: Uint8Array, key: KeyObject, hash: string | null = 'sha256'): Buffer =>
  sign(hash, bytes, key);

export interface BundleParts {
  readonly mediaType?: string;
  readonly content: object;
  readonly material: object;
  readonly entries?: readonly object[];
  readonly timestamps?: readonly Uint8Array[];
}

export function bundleLayer(parts: BundleParts): Layer {
  const mediaType = parts.mediaType ?? BUNDLE_V03;
  const bundle = {
    mediaType,
    verificationMaterial: {
      ...parts.material,
      tlogEntries: parts.entries ?? [],
      timestampVerificationData: {
        rfc3161Timestamps: (parts.timestamps ?? []).map((stamp) => ({ signedTimestamp: base64(stamp) })),
      },
    },
    ...parts.content,
  };
  return { mediaType, bytes: Buffer.from(JSON.stringify(bundle)) };
}

export const keyMaterial = { publicKey: { hint: 'a hint' } };
export const certificateMaterial = (certificate: Buffer): object => ({
  certificate: { rawBytes: base64(certificate) },
});

export function envelope(payload: Uint8Array, signature: Uint8Array, payloadType = STATEMENT): object {
  const signatures = signature.length === 0 ? [] : [{ sig: base64(signature), keyid: '' }];
  return { dsseEnvelope: { payload: base64(payload), payloadType, signatures } };
}

/** The entry as a bundle carries it. */
export const bundleEntry = (entry: TransparencyLogEntry): object => TransparencyLogEntry.toJSON(entry) as object;

/** What `cosign sign --key` makes of a statement. */
export function keySignedBundle(payload: Uint8Array, { privateKey }: KeyPair, hash: string | null = 'sha256'): Layer {
  const signature = signBytes(preAuthentication(payload), privateKey, hash);
  return bundleLayer({ content: envelope(payload, signature), material: keyMaterial });
}
