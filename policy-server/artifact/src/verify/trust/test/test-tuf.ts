import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { ArtifactError } from '../../../errors.ts';
import type { Transport, TransportRequest, TransportResponse } from '../../../transport/transport.ts';
import type { TufRepository } from '../tuf-repository.ts';

const DAY_MS = 86_400_000;

interface Signed {
  readonly signed: object;
  readonly signatures: readonly object[];
}

export interface RepositoryState {
  readonly version?: number;
  /** How long the time stamp is good for. */
  readonly timestampDays?: number;
  /** Who signs the time stamp. @default the key the root names */
  readonly signer?: KeyObject;
}

/** A TUF repository and the network before it: real metadata, really signed. */
export class TestTuf implements Transport {
  readonly url = new URL('https://tuf.test/repository');
  readonly requests: string[] = [];
  isDown = false;
  readonly #keys = generateKeyPairSync('ed25519');
  readonly #keyId = 'a1'.repeat(32);
  readonly #files = new Map<string, Uint8Array>();
  readonly #root: Uint8Array;

  constructor(target: Uint8Array, state: RepositoryState = {}) {
    const role = { keyids: [this.#keyId], threshold: 1 };
    const raw = this.#keys.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    this.#root = bytesOf(
      this.#sign({
        ...header('root', 1, 365),
        consistent_snapshot: true,
        keys: { [this.#keyId]: { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: raw.toString('hex') } } },
        roles: { root: role, timestamp: role, snapshot: role, targets: role },
      }),
    );
    this.publish(target, state);
  }

  readonly repository: TufRepository = {
    url: this.url,
    root: () => Promise.resolve(this.#root),
    targets: () => Promise.resolve(new Map()),
  };

  /** Publishes a version of the one target. */
  publish(target: Uint8Array, { version = 1, timestampDays = 7, signer }: RepositoryState = {}): void {
    const sha256 = createHash('sha256').update(target).digest('hex');
    const info = { length: target.length, hashes: { sha256 } };
    const targets = bytesOf(this.#sign({ ...header('targets', version, 90), targets: { 'trusted_root.json': info } }));
    const snapshot = bytesOf(this.#sign({ ...header('snapshot', version, 30), meta: { 'targets.json': { version } } }));
    const timestamp = { ...header('timestamp', version, timestampDays), meta: { 'snapshot.json': { version } } };
    this.#files.set(`${version}.targets.json`, targets);
    this.#files.set(`${version}.snapshot.json`, snapshot);
    this.#files.set('timestamp.json', bytesOf(this.#sign(timestamp, signer)));
    this.#files.set(`targets/${sha256}.trusted_root.json`, target);
  }

  file(name: string): Uint8Array {
    return this.#files.get(name) ?? Buffer.alloc(0);
  }

  /** Replaces the bytes of the target, not what the metadata says about them. */
  tamper(change: (bytes: Uint8Array) => Uint8Array): void {
    for (const [name, bytes] of this.#files) if (name.startsWith('targets/')) this.#files.set(name, change(bytes));
  }

  request({ url }: TransportRequest): Promise<TransportResponse> {
    const name = url.pathname.slice('/repository/'.length);
    this.requests.push(name);
    if (this.isDown) return Promise.reject(new ArtifactError('registry-unreachable', 'no route to host'));
    const bytes = this.#files.get(name);
    return Promise.resolve(answer(url, bytes === undefined ? 404 : 200, bytes ?? Buffer.from('not found')));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #sign(signed: object, key: KeyObject = this.#keys.privateKey): Signed {
    const sig = sign(null, bytesOf(signed), key).toString('hex');
    return { signed, signatures: [{ keyid: this.#keyId, sig }] };
  }
}

function header(type: string, version: number, days: number): object {
  const expires = new Date(Date.now() + days * DAY_MS).toISOString().replace(/\.\d+Z$/, 'Z');
  return { _type: type, spec_version: '1.0.31', version, expires };
}

/** Canonical JSON: members in order, no white space. */
function bytesOf(value: unknown): Uint8Array {
  const sorted = (_key: string, part: unknown): unknown =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part;
  return Buffer.from(JSON.stringify(value, sorted));
}

function answer(url: URL, status: number, content: Uint8Array): TransportResponse {
  return {
    status,
    headers: new Headers(),
    url,
    security: 'verified',
    body: (async function* () {
      yield await Promise.resolve(content);
    })(),
    bytes: (maxBytes) =>
      content.length > maxBytes
        ? Promise.reject(new ArtifactError('download-too-large', `more than ${maxBytes} bytes`))
        : Promise.resolve(content),
    discard: () => Promise.resolve(),
  };
}
