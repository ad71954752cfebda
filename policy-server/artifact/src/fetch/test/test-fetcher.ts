import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { OCI_MANIFEST, randomFrom, WASM_CONFIG, WASM_LAYER, type ProgrammableRegistry } from '@portcullis/testkit';
import { ANONYMOUS } from '../../credentials/credentials.ts';
import type { ArtifactLogRecord } from '../../log.ts';
import { createRegistryClient } from '../../registry/client.ts';
import type { RegistryReader } from '../../registry/registry.ts';
import { createTransport } from '../../transport/create-transport.ts';
import { type Transport, type TransportLimits } from '../../transport/transport.ts';
import { PolicyStore } from '../../store/store.ts';
import { createPolicyFetcher, type PolicyFetcher, type PolicyFetcherOptions } from '../fetcher.ts';

/** A module of exactly so many bytes that no two seeds have in common: one custom section. */
export function moduleOf(seed: number, bytes = 300_000): Uint8Array {
  const random = randomFrom(seed);
  const module = Uint8Array.from({ length: bytes }, () => random(256));
  const size = bytes - 12;
  const length = [(size & 0x7f) | 0x80, ((size >> 7) & 0x7f) | 0x80, size >> 14];
  module.set([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, ...length, 1, 0x78]);
  return module;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface ServedLayer {
  readonly mediaType?: string;
  readonly bytes: Uint8Array;
  /** What the manifest says, where that is not the truth. */
  readonly size?: number;
}

/** Serves a policy as registries do; answers the digest of its manifest. */
export function serve(
  registry: ProgrammableRegistry,
  repository: string,
  tag: string,
  layers: readonly ServedLayer[],
): string {
  const config = Buffer.from('{}');
  const descriptors = layers.map(({ mediaType = WASM_LAYER, bytes, size = bytes.length }) => {
    return { mediaType, digest: registry.serveBlob(repository, bytes), size };
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: WASM_CONFIG, digest: registry.serveBlob(repository, config), size: config.length },
    layers: descriptors,
  };
  return registry.serveManifest(repository, manifest, OCI_MANIFEST, [tag]);
}

export interface TestFetcher extends AsyncDisposable {
  readonly fetcher: PolicyFetcher;
  readonly client: RegistryReader;
  readonly transport: Transport;
  readonly store: PolicyStore;
  readonly records: readonly ArtifactLogRecord[];
}

export type TestFetcherOptions = Partial<Pick<PolicyFetcherOptions, 'verifier' | 'unsignedFiles' | 'maxBytes'>> & {
  readonly limits?: Partial<TransportLimits>;
};

/** A fetcher that speaks plain HTTP with these hosts, and a store below `folder`. */
export function openTestFetcher(
  folder: string,
  hosts: readonly string[],
  options: TestFetcherOptions = {},
): TestFetcher {
  const records: ArtifactLogRecord[] = [];
  const log = (record: ArtifactLogRecord): void => void records.push(record);
  const { limits, ...rest } = options;
  const transport = createTransport({
    sources: { insecure: new Set(hosts), authorities: new Map(), proxies: undefined },
    proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
    log,
    limits: { connectTimeoutMs: 2000, maxRetries: 0, ...limits },
  });
  const client = createRegistryClient({ transport, credentials: ANONYMOUS, log });
  const store = new PolicyStore(join(folder, 'store'));
  const fetcher = createPolicyFetcher({ transport, client, store, maxBytes: 2 ** 20, log, ...rest });
  return { fetcher, client, transport, store, records, [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() };
}
