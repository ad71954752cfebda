import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { TransparencyLogEntry } from '@sigstore/protobuf-specs';
import { createSigstore, type IssueOptions, type Sigstore, type SigstoreIdentity } from '@portcullis/testkit';
import { trustRootFrom } from '../../trust/trust-config.ts';
import type { TrustRootSource } from '../../trust/trust-root.ts';

/** When test signatures are made and logged, unless a test says otherwise. */
export const SIGNED_AT_MS = Date.UTC(2026, 2, 14, 12);
export const MINUTE_MS = 60_000;
export const USER: SigstoreIdentity = { email: 'user@example.com', issuer: 'https://issuer.test' };

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const newKeys = (namedCurve = 'P-256'): KeyPair => generateKeyPairSync('ec', { namedCurve });

/** Parts of a trusted root that are not there, or were valid at another time. */
export interface RootOptions {
  readonly without?: readonly ('tlogs' | 'ctlogs' | 'certificateAuthorities' | 'timestampAuthorities')[];
  readonly tlogValidity?: Validity;
  readonly authorityValidity?: Validity;
}

interface Validity {
  readonly start: string;
  readonly end?: string;
}

interface RootJson {
  tlogs: { publicKey: { validFor: Validity } }[];
  certificateAuthorities: { validFor: Validity }[];
  ctlogs: object[];
  timestampAuthorities: object[];
}

export interface Certification extends IssueOptions {
  readonly identity?: SigstoreIdentity;
}

/** Who has a certificate, and for which key. */
export interface Certified {
  readonly certificate: Buffer;
  readonly pem: string;
  readonly keys: KeyPair;
}

/** A Sigstore of our own whose clock stands still, in parts that tests exchange. */
export class TestSigstore {
  readonly services: Sigstore;

  constructor(services: Sigstore) {
    this.services = services;
  }

  trustedRoot({ without = [], tlogValidity, authorityValidity }: RootOptions = {}): RootJson {
    const root = JSON.parse(this.services.trustedRoot()) as RootJson;
    if (tlogValidity !== undefined) for (const { publicKey } of root.tlogs) publicKey.validFor = tlogValidity;
    if (authorityValidity !== undefined)
      for (const authority of root.certificateAuthorities) authority.validFor = authorityValidity;
    for (const part of without) root[part] = [];
    return root;
  }

  source(options: RootOptions = {}): TrustRootSource {
    return { trustRoot: () => trustRootFrom(this.trustedRoot(options)) };
  }

  certify({ identity = USER, ...options }: Certification = {}): Certified {
    const keys = newKeys();
    const { certificate } = this.services.issue(identity, { ...options, privateKey: keys.privateKey });
    return { certificate: certificate.der, pem: certificate.pem, keys };
  }

  /** An entry of the log with the log's promise, or one that somebody else promised in its name. */
  log(record: LogRecord, signingKey?: KeyObject): TransparencyLogEntry {
    return this.services.rekor.logEntry(record, signingKey === undefined ? {} : { signingKey });
  }
}

/** What is logged. */
export interface LogRecord {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: object;
}

export async function newSigstore(): Promise<TestSigstore> {
  return new TestSigstore(await createSigstore({ now: () => new Date(SIGNED_AT_MS) }));
}
