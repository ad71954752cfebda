import { type KeyObject, createPublicKey, generateKeyPairSync } from 'node:crypto';
import {
  type Certificate,
  type Extension,
  authorityKeyIdentifier,
  basicConstraints,
  createCertificate,
  extendedKeyUsage,
  keyUsage,
  randomSerial,
  subjectAlternativeName,
  subjectKeyIdentifier,
} from '../x509/certificate.ts';
import { utf8String } from '../x509/der.ts';
import { CtLog } from './ct-log.ts';

/** Whom a certificate is for, as an OpenID Connect token would have said it. One of `email` and `uri`. */
export interface SigstoreIdentity {
  readonly email?: string;
  readonly uri?: string;
  /** Who vouches for it, e.g. `https://token.actions.githubusercontent.com`. */
  readonly issuer: string;
  /** `owner/repo`: adds what Fulcio says about workflows of GitHub. */
  readonly githubRepository?: string;
}

/** Deviations from what Fulcio would issue. */
export interface IssueOptions {
  /** Default: a minute ago. */
  readonly notBefore?: Date;
  /** Default: ten minutes after `notBefore`. */
  readonly notAfter?: Date;
  /** The signer's key; a new P-256 key when absent. */
  readonly privateKey?: KeyObject;
  /** Whether a promise of the certificate log is in it (default), none, or one by a log that nobody trusts. */
  readonly sct?: 'present' | 'absent' | 'stranger';
  /** Which of the two issuer extensions it has: .1.1 (raw text), .1.8 (DER), both (default) or none. */
  readonly issuerExtensions?: 'both' | 'v1' | 'v2' | 'none';
  /** `serverAuth`: not a certificate for signing code. */
  readonly purpose?: 'codeSigning' | 'serverAuth' | 'none';
  /** Names in place of the identity's. */
  readonly names?: readonly { readonly email?: string; readonly uri?: string }[];
}

/** A signer with a short-lived certificate. */
export interface CertifiedSigner {
  readonly certificate: Certificate;
  /** From the issuer of `certificate` to the root. */
  readonly chain: readonly Certificate[];
  readonly privateKey: KeyObject;
}

const YEAR_MS = 365 * 24 * 3_600_000;
const FULCIO = '1.3.6.1.4.1.57264.1';

/** A certificate authority of its own kind: root, intermediate, and a certificate log behind it. */
export class Fulcio {
  readonly ctLog = new CtLog();
  readonly root: Certificate;
  readonly intermediate: Certificate;
  /** From when on root and intermediate are valid. */
  readonly validFrom: Date;
  readonly #key: KeyObject;
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
    this.validFrom = new Date(now().getTime() - YEAR_MS);
    const keys = { root: generateKeyPairSync('ec', CURVE), intermediate: generateKeyPairSync('ec', CURVE) };
    this.#key = keys.intermediate.privateKey;
    const validity = { notBefore: this.validFrom, notAfter: new Date(now().getTime() + 10 * YEAR_MS) };
    const base = { ...validity, issuer: 'fulcio root', signingKey: keys.root.privateKey };
    this.root = createCertificate({
      ...base,
      subject: 'fulcio root',
      publicKey: keys.root.publicKey,
      extensions: [basicConstraints(true), keyUsage(true), subjectKeyIdentifier(keys.root.publicKey)],
    });
    this.intermediate = createCertificate({
      ...base,
      subject: 'fulcio intermediate',
      publicKey: keys.intermediate.publicKey,
      extensions: [
        basicConstraints(true),
        keyUsage(true),
        extendedKeyUsage('codeSigning'),
        subjectKeyIdentifier(keys.intermediate.publicKey),
        authorityKeyIdentifier(keys.root.publicKey),
      ],
    });
  }

  /** A certificate for an identity, with its new key. */
  issue(identity: SigstoreIdentity, options: IssueOptions = {}): CertifiedSigner {
    const privateKey = options.privateKey ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    return { ...this.certify(identity, createPublicKey(privateKey), options), privateKey };
  }

  /** A certificate for an identity and a key that is somebody else's. */
  certify(
    identity: SigstoreIdentity,
    publicKey: KeyObject,
    options: Omit<IssueOptions, 'privateKey'> = {},
  ): Omit<CertifiedSigner, 'privateKey'> {
    const notBefore = options.notBefore ?? new Date(this.#now().getTime() - 60_000);
    const fields = {
      issuer: 'fulcio intermediate',
      publicKey,
      signingKey: this.#key,
      serial: randomSerial(),
      notBefore,
      notAfter: options.notAfter ?? new Date(notBefore.getTime() + 600_000),
      extensions: this.#extensions(identity, options, publicKey),
    };
    const preCertificate = createCertificate(fields);
    const sct = this.#timestamp(preCertificate, options.sct ?? 'present', notBefore);
    const certificate = createCertificate({ ...fields, extensions: [...fields.extensions, ...sct] });
    return { certificate, chain: [this.intermediate, this.root] };
  }

  #extensions(identity: SigstoreIdentity, options: IssueOptions, publicKey: KeyObject): Extension[] {
    const purpose = options.purpose ?? 'codeSigning';
    return [
      keyUsage(false),
      ...(purpose === 'none' ? [] : [extendedKeyUsage(purpose)]),
      subjectKeyIdentifier(publicKey),
      authorityKeyIdentifier(createPublicKey(this.#key)),
      subjectAlternativeName(...(options.names ?? [identity])),
      ...issuerExtensions(identity.issuer, options.issuerExtensions ?? 'both'),
      ...(identity.githubRepository === undefined ? [] : githubExtensions(identity.githubRepository)),
    ];
  }

  #timestamp(preCertificate: Certificate, kind: NonNullable<IssueOptions['sct']>, at: Date): Extension[] {
    if (kind === 'absent') return [];
    const log = kind === 'stranger' ? new CtLog() : this.ctLog;
    return [log.timestamp(preCertificate, createPublicKey(this.#key), at)];
  }
}

const CURVE = { namedCurve: 'P-384' };

/** `.1.1` carries its text raw, `.1.8` as DER: the first came before anybody noticed. */
export function issuerExtensions(issuer: string, which: 'both' | 'v1' | 'v2' | 'none'): Extension[] {
  const v1 = { oid: `${FULCIO}.1`, value: Buffer.from(issuer) };
  const v2 = { oid: `${FULCIO}.8`, value: utf8String(issuer) };
  return { both: [v1, v2], v1: [v1], v2: [v2], none: [] }[which];
}

/** What Fulcio says of a GitHub workflow, in its old extensions and its new ones. */
function githubExtensions(repository: string): Extension[] {
  const raw = { 2: 'push', 3: '0'.repeat(40), 4: 'release', 5: repository, 6: 'refs/heads/main' };
  const url = `https://github.com/${repository}`;
  const wrapped = {
    12: url,
    13: '0'.repeat(40),
    14: 'refs/heads/main',
    16: `https://github.com/${repository.split('/')[0]}`,
  };
  return [
    ...Object.entries(raw).map(([last, text]) => ({ oid: `${FULCIO}.${last}`, value: Buffer.from(text) })),
    ...Object.entries(wrapped).map(([last, text]) => ({ oid: `${FULCIO}.${last}`, value: utf8String(text) })),
  ];
}
