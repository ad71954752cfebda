import { createHash, sign } from 'node:crypto';
import { trustRootFrom } from '../../trust/trust-config.ts';
import type { TrustRootSource } from '../../trust/trust-root.ts';
import { der, extension, oid, octetString, sequence, utf8String } from './der-writer.ts';
import {
  bodyOf,
  createTestAuthority,
  issue,
  newKeys,
  spkiOf,
  type KeyPair,
  type TestAuthority,
} from './test-certificates.ts';

/** When test signatures are made and logged, unless a test says otherwise. */
export const SIGNED_AT_MS = Date.UTC(2026, 2, 14, 12);
export const MINUTE_MS = 60_000;

export const FULCIO = '1.3.6.1.4.1.57264.1';
export const emailName = (text: string): Buffer => der(0x81, Buffer.from(text));
export const uriName = (text: string): Buffer => der(0x86, Buffer.from(text));

export interface Certification {
  readonly issuer?: string;
  readonly names?: readonly Buffer[];
  readonly usages?: readonly string[];
  readonly extensions?: readonly Buffer[];
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly keys?: KeyPair;
  readonly authority?: TestAuthority;
  /** @default the CT log of the instance */
  readonly ctKeys?: KeyPair | null;
}

export interface Certified {
  readonly certificate: Buffer;
  readonly keys: KeyPair;
}

export interface LogEntry {
  readonly body: Buffer;
  readonly integratedTime: number;
  readonly logIndex: number;
  readonly logId: Buffer;
  readonly promise: Buffer;
}

export interface RootOptions {
  readonly without?: readonly ('tlogs' | 'ctlogs' | 'certificateAuthorities')[];
  readonly tlogValidity?: { readonly start: string; readonly end?: string };
  readonly authorityValidity?: { readonly start: string; readonly end?: string };
}

/** A Sigstore instance of our own: the cryptography of Fulcio, Rekor and a certificate log without the services. */
export class TestSigstore {
  readonly rootAuthority = createTestAuthority('test root');
  readonly authority = createTestAuthority('test intermediate', this.rootAuthority);
  readonly logKeys = newKeys();
  readonly ctKeys = newKeys();

  trustedRoot(options: RootOptions = {}): Record<string, unknown> {
    const anytime = { start: '2021-01-01T00:00:00Z' };
    const log = (keys: KeyPair, validFor: object, host: string): object => ({
      baseUrl: `https://${host}`,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: spkiOf(keys.publicKey).toString('base64'),
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor,
      },
      logId: { keyId: logIdOf(keys).toString('base64') },
    });
    const certificates = [this.authority, this.rootAuthority].map(({ certificate }) => ({
      rawBytes: certificate.toString('base64'),
    }));
    const root = {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [log(this.logKeys, options.tlogValidity ?? anytime, 'rekor.test')],
      certificateAuthorities: [
        {
          uri: 'https://fulcio.test',
          certChain: { certificates },
          validFor: options.authorityValidity ?? anytime,
        },
      ],
      ctlogs: [log(this.ctKeys, anytime, 'ct.test')],
    };
    return { ...root, ...Object.fromEntries((options.without ?? []).map((part) => [part, []])) };
  }

  source(options: RootOptions = {}): TrustRootSource {
    return { trustRoot: () => trustRootFrom(this.trustedRoot(options)) };
  }

  /** A code-signing certificate that is valid for ten minutes from {@link SIGNED_AT_MS}. */
  certify(options: Certification = {}): Certified {
    const { keys = newKeys(), authority = this.authority, ctKeys = this.ctKeys } = options;
    const contents = {
      subject: 'leaf',
      publicKey: keys.publicKey,
      notBeforeMs: options.notBeforeMs ?? SIGNED_AT_MS - MINUTE_MS,
      notAfterMs: options.notAfterMs ?? SIGNED_AT_MS + 9 * MINUTE_MS,
      extensions: extensionsOf(options),
    };
    const body = bodyOf(contents, authority.name);
    if (ctKeys === null) return { certificate: issue(body, authority.keys), keys };
    const promise = certificatePromise(body, authority, ctKeys);
    const list = Buffer.concat([uint(promise.length + 2, 2), uint(promise.length, 2), promise]);
    const promised = extension('1.3.6.1.4.1.11129.2.4.2', octetString(list));
    const full = withExtension(body, promised);
    return { certificate: issue(full, authority.keys), keys };
  }

  /** An entry of the log with the log's promise. */
  log(body: object, options: { timeMs?: number; keys?: KeyPair; logId?: Buffer } = {}): LogEntry {
    const { timeMs = SIGNED_AT_MS, keys = this.logKeys, logId = logIdOf(keys) } = options;
    const entry = {
      body: Buffer.from(JSON.stringify(body)),
      integratedTime: Math.floor(timeMs / 1000),
      logIndex: 4711,
      logId,
    };
    const canonical =
      `{"body":"${entry.body.toString('base64')}","integratedTime":${entry.integratedTime},` +
      `"logID":"${logId.toString('hex')}","logIndex":${entry.logIndex}}`;
    return { ...entry, promise: sign('sha256', Buffer.from(canonical), keys.privateKey) };
  }

  /** A signed tree with this one leaf. */
  inclusionProof({ body }: LogEntry, keys: KeyPair = this.logKeys): object {
    const rootHash = createHash('sha256').update(Uint8Array.of(0)).update(body).digest();
    const note = `rekor.test\n1\n${rootHash.toString('base64')}\n`;
    const signature = Buffer.concat([logIdOf(keys).subarray(0, 4), sign('sha256', Buffer.from(note), keys.privateKey)]);
    return {
      logIndex: '0',
      rootHash: rootHash.toString('base64'),
      treeSize: '1',
      hashes: [],
      checkpoint: { envelope: `${note}\n\u2014 rekor.test ${signature.toString('base64')}\n` },
    };
  }
}

function logIdOf({ publicKey }: KeyPair): Buffer {
  return createHash('sha256').update(spkiOf(publicKey)).digest();
}

function extensionsOf(options: Certification): Buffer[] {
  const { usages = ['1.3.6.1.5.5.7.3.3'], names = [emailName('user@example.com')] } = options;
  const { issuer = 'https://issuer.test' } = options;
  return [
    extension('2.5.29.15', der(0x03, Uint8Array.of(7, 0x80)), true),
    ...(usages.length === 0 ? [] : [extension('2.5.29.37', sequence(...usages.map(oid)))]),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', sequence(...names), true)]),
    extension(`${FULCIO}.1`, Buffer.from(issuer)),
    extension(`${FULCIO}.8`, utf8String(issuer)),
    ...(options.extensions ?? []),
  ];
}

/** RFC 6962 §3.2: what a certificate log signs is the certificate without its promise. */
function certificatePromise(body: Buffer, authority: TestAuthority, { privateKey, publicKey }: KeyPair): Buffer {
  const head = Buffer.concat([Uint8Array.of(0), logIdOf({ privateKey, publicKey }), uint(SIGNED_AT_MS, 8), uint(0, 2)]);
  const issuerId = createHash('sha256').update(spkiOf(authority.keys.publicKey)).digest();
  const signed = Buffer.concat([
    Uint8Array.of(0, 0),
    uint(SIGNED_AT_MS, 8),
    uint(1, 2),
    issuerId,
    uint(body.length, 3),
    body,
    uint(0, 2),
  ]);
  const signature = sign('sha256', signed, privateKey);
  return Buffer.concat([head, Uint8Array.of(4, 3), uint(signature.length, 2), signature]);
}

/** The same body with one extension more. */
function withExtension(body: Buffer, added: Buffer): Buffer {
  const [content] = elements(body);
  const fields = elements(content ?? Buffer.alloc(0), true);
  const last = fields.pop() ?? Buffer.alloc(0);
  const [list] = elements(last);
  const [inner] = elements(list ?? Buffer.alloc(0));
  return sequence(...fields, der(0xa3, sequence(inner ?? Buffer.alloc(0), added)));
}

/** The contents, or with `whole` the encodings, of the elements that follow one another. */
function elements(bytes: Buffer, whole = false): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at + 1] ?? 0;
    const count = first < 0x80 ? 0 : first & 0x7f;
    const length = count === 0 ? first : bytes.readUIntBE(at + 2, count);
    const start = at + 2 + count;
    found.push(bytes.subarray(whole ? at : start, start + length));
    at = start + length;
  }
  return found;
}

function uint(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 8) buffer.writeBigUInt64BE(BigInt(value));
  else buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}
