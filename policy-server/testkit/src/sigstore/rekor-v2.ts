import { type KeyObject, X509Certificate, createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { json } from '@sigstore/core';
import type { TransparencyLogEntry } from '@sigstore/protobuf-specs';
import { LogTree } from './log-tree.ts';
import type { LoggedSignature } from './rekor.ts';

const ORIGIN = 'rekor2.test';

/**
 * A transparency log of Rekor's second generation: it knows neither times nor promises, so a signature in it needs a timestamp
 * as well. Entries are of kind `hashedrekord` 0.0.2 only, for envelopes over what their signature covers.
 */
export class RekorV2 {
  readonly url = `https://${ORIGIN}`;
  readonly publicKey: KeyObject;
  /** The identifier of its key as signer of notes, whole. */
  readonly id: Buffer;
  readonly #tree: LogTree;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.publicKey = publicKey;
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    this.id = createHash('sha256')
      .update(`${ORIGIN}\n`)
      .update(Buffer.from([1 /* Ed25519 */]))
      .update(raw)
      .digest();
    this.#tree = new LogTree({ origin: ORIGIN, id: this.id, privateKey });
  }

  /** Logs a signature by an ECDSA P-256 key; `payload` is what it covers, to the byte. */
  log({ signature, payload, verifier }: LoggedSignature, signingKey?: KeyObject): TransparencyLogEntry {
    const digest = createHash('sha256').update(payload).digest('base64');
    const spec = {
      data: { algorithm: 'SHA2_256', digest },
      signature: {
        content: base64(signature),
        verifier: { keyDetails: 'PKIX_ECDSA_P256_SHA_256', ...material(verifier) },
      },
    };
    const entry = { apiVersion: '0.0.2', kind: 'hashedrekord', spec: { hashedRekordV002: spec } };
    const body = Buffer.from(json.canonicalize(entry));
    const inclusionProof = this.#tree.append(body, signingKey);
    return {
      logIndex: inclusionProof.logIndex,
      logId: { keyId: this.id },
      kindVersion: { kind: entry.kind, version: entry.apiVersion },
      integratedTime: '0',
      inclusionPromise: undefined,
      inclusionProof,
      canonicalizedBody: body,
    };
  }
}

/** Of a certificate or a public key, PEM. */
function material(verifier: string): object {
  if (verifier.includes('CERTIFICATE'))
    return { x509Certificate: { rawBytes: base64(new X509Certificate(verifier).raw) } };
  return { publicKey: { rawBytes: base64(createPublicKey(verifier).export({ type: 'spki', format: 'der' })) } };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
