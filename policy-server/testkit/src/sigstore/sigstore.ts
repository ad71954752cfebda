import { type KeyObject, createPublicKey } from 'node:crypto';
import { dsse } from '@sigstore/core';
import { TransparencyLogEntry } from '@sigstore/protobuf-specs';
import type { SignatureLayer } from '../registry/artifact.ts';
import { signBytes } from '../x509/certificate.ts';
import { type CertifiedSigner, Fulcio, type IssueOptions, type SigstoreIdentity } from './fulcio.ts';
import { type DsseEnvelope, type EntryOptions, type LoggedSignature, Rekor } from './rekor.ts';
import { RekorV2 } from './rekor-v2.ts';
import type { TimestampAuthority } from './timestamp-authority.ts';
import { type TrustedServices, trustConfigJson, trustedRootJson } from './trust-config.ts';

/** Who signs: with a certificate, or with a bare key. */
export type Signer = CertifiedSigner | { readonly privateKey: KeyObject };

/** Deviations from an honest signature; without options nothing is wrong with it. */
export interface SignOptions {
  /** Signs in place of the signer's key, while certificate and log entry stay. */
  readonly signingKey?: KeyObject;
  /** The log entry: left out, or about something else, or at another time, or signed by somebody else. */
  readonly entry?: 'absent' | (EntryOptions & { readonly about?: Partial<LoggedSignature> });
  /** Classic form: the annotation with the authorities above the certificate. cosign 3 leaves it empty. */
  readonly chain?: 'present' | 'empty' | 'absent';
  /** The log; `createSigstore().rekor` is one that nobody trusts. */
  readonly rekor?: Rekor;
}

export interface BundleOptions extends SignOptions {
  /** In-toto annotations of the subject, where cosign puts what was given with `-a`. */
  readonly annotations?: Readonly<Record<string, unknown>>;
  /** `https://sigstore.dev/cosign/sign/v1` when absent; anything else is an attestation, not a signature. */
  readonly predicateType?: string;
  readonly payloadType?: string;
  /** Logged by `rekorV2`, which makes `timestamp` necessary. */
  readonly rekorV2?: boolean;
  /** A timestamp by the authority (default: none). */
  readonly timestamp?: boolean;
  readonly inclusionPromise?: boolean;
  readonly inclusionProof?: boolean;
  /** Changes the in-toto statement before it is signed. */
  readonly changeStatement?: (statement: Record<string, unknown>) => void;
  /** Changes the bundle's JSON after everything else. */
  readonly changeBundle?: (bundle: Record<string, unknown>) => void;
}

const COSIGN_SIGN = 'https://sigstore.dev/cosign/sign/v1';
const IN_TOTO = 'application/vnd.in-toto+json';

/** Everything Sigstore consists of, in this process, with real cryptography and keys of its own. */
export class Sigstore {
  readonly fulcio: Fulcio;
  readonly rekor: Rekor;
  readonly rekorV2 = new RekorV2();
  readonly timestampAuthority: TimestampAuthority;

  constructor(now: () => Date, timestampAuthority: TimestampAuthority) {
    this.fulcio = new Fulcio(now);
    this.rekor = new Rekor(now);
    this.timestampAuthority = timestampAuthority;
  }

  /** A signer with a certificate for this identity. */
  issue(identity: SigstoreIdentity, options?: IssueOptions): CertifiedSigner {
    return this.fulcio.issue(identity, options);
  }

  /** `ClientTrustConfig` JSON by which clients trust these services, or some of them, or others. */
  trustConfig(changed: Partial<TrustedServices> = {}): string {
    return trustConfigJson({ ...this.#services(), ...changed });
  }

  /** `TrustedRoot` JSON, for `cosign verify --trusted-root`. */
  trustedRoot(changed: Partial<TrustedServices> = {}): string {
    return trustedRootJson({ ...this.#services(), ...changed });
  }

  /** Signs a payload as cosign 2 did: everything is in the annotations of the payload's layer. */
  signLegacy(payload: Uint8Array, signer: Signer, options: SignOptions = {}): SignatureLayer {
    const signature = signBytes(payload, options.signingKey ?? signer.privateKey);
    const annotations: Record<string, string> = { 'dev.cosignproject.cosign/signature': signature.toString('base64') };
    if ('certificate' in signer) {
      annotations['dev.sigstore.cosign/certificate'] = signer.certificate.pem;
      const chain = options.chain === 'empty' ? '' : signer.chain.map(({ pem }) => pem).join('');
      if (options.chain !== 'absent') annotations['dev.sigstore.cosign/chain'] = chain;
    }
    if (options.entry !== 'absent') {
      const { about, ...entry } = options.entry ?? {};
      const logged = { payload, signature, verifier: verifierOf(signer), ...about };
      const logEntry = (options.rekor ?? this.rekor).logHashed(logged, entry);
      annotations['dev.sigstore.cosign/bundle'] = rekorBundle(logEntry);
    }
    return { payload, annotations };
  }

  /** Signs an image as cosign 3 does: a Sigstore bundle v0.3 (JSON) with an in-toto statement about its digest. */
  async signBundle(digest: string, signer: Signer, options: BundleOptions = {}): Promise<string> {
    const payload = Buffer.from(JSON.stringify(statementOf(digest, options)));
    const payloadType = options.payloadType ?? IN_TOTO;
    const key = options.signingKey ?? signer.privateKey;
    const signature = signBytes(dsse.preAuthEncoding(payloadType, payload), key);
    const envelope = envelopeOf(payload, payloadType, signature);
    const timestamps = options.timestamp === true ? [await this.timestampAuthority.timestamp(signature)] : [];
    const bundle: Record<string, unknown> = {
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: {
        ...materialOf(signer),
        tlogEntries: this.#entriesOf(envelope, signer, options),
        timestampVerificationData: {
          rfc3161Timestamps: timestamps.map((bytes) => ({ signedTimestamp: bytes.toString('base64') })),
        },
      },
      dsseEnvelope: envelope,
    };
    options.changeBundle?.(bundle);
    return JSON.stringify(bundle);
  }

  #entriesOf(envelope: DsseEnvelope, signer: Signer, options: BundleOptions): unknown[] {
    if (options.entry === 'absent') return [];
    const { about, ...entry } = options.entry ?? {};
    const { payload, signature, verifier }: LoggedSignature = {
      payload: Buffer.from(envelope.payload, 'base64'),
      signature: Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64'),
      verifier: verifierOf(signer),
      ...about,
    };
    const { payloadType } = envelope;
    const made =
      options.rekorV2 === true
        ? this.rekorV2.log(
            { payload: dsse.preAuthEncoding(payloadType, Buffer.from(payload)), signature, verifier },
            entry.signingKey,
          )
        : (options.rekor ?? this.rekor).logEnvelope(envelopeOf(payload, payloadType, signature), verifier, entry);
    const promise = options.inclusionPromise === false ? { inclusionPromise: undefined } : {};
    const proof = options.inclusionProof === false ? { inclusionProof: undefined } : {};
    return [TransparencyLogEntry.toJSON({ ...made, ...promise, ...proof })];
  }

  #services(): TrustedServices {
    return {
      fulcio: [this.fulcio],
      rekor: [this.rekor, this.rekorV2],
      ctLogs: [this.fulcio.ctLog],
      timestampAuthorities: [this.timestampAuthority],
      validFrom: this.fulcio.validFrom,
    };
  }
}

/** The annotation `dev.sigstore.cosign/bundle`. */
function rekorBundle(entry: TransparencyLogEntry): string {
  return JSON.stringify({
    SignedEntryTimestamp: entry.inclusionPromise?.signedEntryTimestamp.toString('base64'),
    Payload: {
      body: entry.canonicalizedBody.toString('base64'),
      integratedTime: Number(entry.integratedTime),
      logIndex: Number(entry.logIndex),
      logID: entry.logId?.keyId.toString('hex'),
    },
  });
}

function envelopeOf(payload: Uint8Array, payloadType: string, signature: Uint8Array): DsseEnvelope {
  const [content, sig] = [payload, signature].map((bytes) => Buffer.from(bytes).toString('base64'));
  return { payload: content ?? '', payloadType, signatures: [{ sig: sig ?? '' }] };
}

function statementOf(digest: string, options: BundleOptions): object {
  const { annotations = {}, predicateType = COSIGN_SIGN } = options;
  const [algorithm = '', hex = ''] = digest.split(':');
  const statement: Record<string, unknown> = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { [algorithm]: hex }, annotations }],
    predicateType,
    predicate: {},
  };
  options.changeStatement?.(statement);
  return statement;
}

function verifierOf(signer: Signer): string {
  if ('certificate' in signer) return signer.certificate.pem;
  return publicKeyOf(signer).export({ type: 'spki', format: 'pem' }).toString();
}

function materialOf(signer: Signer): object {
  if ('certificate' in signer) return { certificate: { rawBytes: signer.certificate.der.toString('base64') } };
  return { publicKey: { hint: Buffer.from(verifierOf(signer)).toString('base64').slice(0, 44) } };
}

function publicKeyOf({ privateKey }: Signer): KeyObject {
  return createPublicKey(privateKey);
}
