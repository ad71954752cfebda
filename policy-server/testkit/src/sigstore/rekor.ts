import { type KeyObject, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { json } from '@sigstore/core';
import type { TransparencyLogEntry } from '@sigstore/protobuf-specs';
import { keyHash } from '../x509/certificate.ts';
import { LogTree } from './log-tree.ts';

/** What is logged: one signature, what it signs, and the certificate or key (PEM) that verifies it. */
export interface LoggedSignature {
  readonly signature: Uint8Array;
  readonly payload: Uint8Array;
  readonly verifier: string;
}

/** A DSSE envelope as JSON knows it. */
export interface DsseEnvelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signatures: readonly { readonly sig: string }[];
}

/** How an entry deviates from an honest one. */
export interface EntryOptions {
  /** Default: now. */
  readonly integratedTime?: Date;
  /** Signs promise and checkpoint in the log's place. */
  readonly signingKey?: KeyObject;
}

const ORIGIN = 'rekor.test - 1193050959916656506';

/** A transparency log of Rekor's first generation: an entry gets a signed promise and a proof that it is in the tree. */
export class Rekor {
  readonly url = 'https://rekor.test';
  readonly publicKey: KeyObject;
  /** sha256 of the public key. */
  readonly id: Buffer;
  readonly #privateKey: KeyObject;
  readonly #tree: LogTree;
  readonly #now: () => Date;

  constructor(now: () => Date) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
    this.id = keyHash(publicKey);
    this.#now = now;
    this.#tree = new LogTree({ origin: ORIGIN, id: this.id, privateKey });
  }

  /** Entry of kind `hashedrekord`, as for a payload that was signed as it is. */
  logHashed(logged: LoggedSignature, options: EntryOptions = {}): TransparencyLogEntry {
    const spec = {
      data: { hash: { algorithm: 'sha256', value: sha256(logged.payload) } },
      signature: { content: base64(logged.signature), publicKey: { content: base64(logged.verifier) } },
    };
    return this.logEntry({ apiVersion: '0.0.1', kind: 'hashedrekord', spec }, options);
  }

  /** Entry of kind `dsse`. */
  logEnvelope(envelope: DsseEnvelope, verifier: string, options: EntryOptions = {}): TransparencyLogEntry {
    const spec = {
      envelopeHash: { algorithm: 'sha256', value: sha256(json.canonicalize(envelope)) },
      payloadHash: { algorithm: 'sha256', value: sha256(Buffer.from(envelope.payload, 'base64')) },
      signatures: envelope.signatures.map(({ sig }) => ({ signature: sig, verifier: base64(verifier) })),
    };
    return this.logEntry({ apiVersion: '0.0.1', kind: 'dsse', spec }, options);
  }

  /** An entry as it is. */
  logEntry(
    entry: { kind: string; apiVersion: string; spec: object },
    options: EntryOptions = {},
  ): TransparencyLogEntry {
    const key = options.signingKey ?? this.#privateKey;
    const body = Buffer.from(json.canonicalize(entry));
    const inclusionProof = this.#tree.append(body, options.signingKey);
    const logIndex = Number(inclusionProof.logIndex);
    const integratedTime = Math.floor((options.integratedTime ?? this.#now()).getTime() / 1000);
    // "Signed entry timestamp": over the canonical JSON of exactly these four (RFC 8785).
    const promised = { body: body.toString('base64'), integratedTime, logID: this.id.toString('hex'), logIndex };
    return {
      logIndex: String(logIndex),
      logId: { keyId: this.id },
      kindVersion: { kind: entry.kind, version: entry.apiVersion },
      integratedTime: String(integratedTime),
      inclusionPromise: { signedEntryTimestamp: sign('sha256', Buffer.from(json.canonicalize(promised)), key) },
      inclusionProof,
      canonicalizedBody: body,
    };
  }
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function base64(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64');
}
