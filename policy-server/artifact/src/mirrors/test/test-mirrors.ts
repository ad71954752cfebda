import { createHash } from 'node:crypto';
import type { ImageReference } from '@portcullis/protocol';
import { OCI_MANIFEST, ProgrammableRegistry, type ProgrammableRegistryOptions } from '@portcullis/testkit';
import type { Test } from 'tap';
import type { Credential } from '../../credentials/credentials.ts';
import type { ArtifactLogRecord } from '../../log.ts';
import { createRegistryClient } from '../../registry/client.ts';
import type { BlobStream, Descriptor, RegistryReader } from '../../registry/registry.ts';
import { createTransport } from '../../transport/create-transport.ts';
import { type TransportLimits } from '../../transport/transport.ts';
import type { Mirror } from '../../sources/sources.ts';
import type { MirrorLimits } from '../mirror-context.ts';
import { createMirroredReader } from '../mirrored-reader.ts';

export const REPOSITORY = 'team/policy';

export interface MirroredGiven {
  readonly source: string;
  readonly mirrors: readonly (Partial<Mirror> & { readonly host: string })[];
  readonly credentials?: Readonly<Record<string, Credential>>;
  readonly transportLimits?: Partial<TransportLimits>;
  readonly limits?: Partial<MirrorLimits>;
}

export interface Mirrored {
  readonly reader: RegistryReader;
  readonly records: ArtifactLogRecord[];
  readonly clock: { nowMs: number };
}

/** A reader that speaks plain HTTP with the source and its mirrors. */
export function openMirrored(t: Test, given: MirroredGiven): Mirrored {
  const { source, mirrors, credentials = {}, limits, transportLimits = {} } = given;
  const records: ArtifactLogRecord[] = [];
  const clock = { nowMs: 0 };
  const log = (record: ArtifactLogRecord): void => void records.push(record);
  const transport = createTransport({
    sources: {
      insecure: new Set([source, ...mirrors.map(({ host }) => host)]),
      authorities: new Map(),
      proxies: undefined,
    },
    proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
    systemAuthorities: [],
    log,
    limits: { maxRetries: 0, ...transportLimits },
  });
  t.teardown(() => transport[Symbol.asyncDispose]());
  const client = createRegistryClient({
    transport,
    credentials: { credentialFor: (host) => Promise.resolve(credentials[host]) },
    log,
  });
  const list = mirrors.map((mirror) => ({ path: '', resolve: false, ...mirror }));
  const reader = createMirroredReader(client, {
    mirrors: new Map([[source, list]]),
    log,
    nowMs: () => clock.nowMs,
    ...(limits !== undefined && { limits }),
  });
  return { reader, records, clock };
}

export async function serveRegistry(t: Test, options?: ProgrammableRegistryOptions): Promise<ProgrammableRegistry> {
  const registry = await ProgrammableRegistry.start(options);
  t.teardown(() => registry[Symbol.asyncDispose]());
  return registry;
}

/** A host and port nobody listens on. */
export async function unreachableHost(): Promise<string> {
  await using registry = await ProgrammableRegistry.start();
  return registry.host;
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A manifest that differs from those of other names. */
export function manifestOf(name: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: 'application/vnd.wasm.config.v1+json', digest: sha256('{}'), size: 2 },
      layers: [],
      annotations: { name },
    }),
  );
}

export function at(source: string, version: Partial<ImageReference> = { tag: 'v1' }): ImageReference {
  return { registry: source, repository: REPOSITORY, ...version };
}

export function descriptorOf(bytes: Uint8Array): Descriptor {
  return {
    mediaType: 'application/octet-stream',
    digest: sha256(bytes),
    size: bytes.length,
    annotations: new Map(),
    artifactType: undefined,
    platform: undefined,
  };
}

/** All of a stream, its pieces counted. */
export async function collected({ body }: BlobStream): Promise<{ bytes: Buffer; pieces: number }> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return { bytes: Buffer.concat(pieces), pieces: pieces.length };
}

/** Of the messages of mirrors: level, mirror, and where there is one the error. */
export function told(records: readonly ArtifactLogRecord[]): string[] {
  return records
    .filter(({ message }) => message.startsWith('A mirror'))
    .map(({ level, message, fields }) => `${level}: ${message}: ${fields?.['mirror']}: ${fields?.['error'] ?? ''}`);
}
