import { createHash } from 'node:crypto';
import type { ImageReference } from '@portcullis/protocol';
import type { Test } from 'tap';
import type { Credential } from '../../credentials/credentials.ts';
import type { ArtifactLogRecord } from '../../log.ts';
import { openTransport, type TransportGiven } from '../../transport/test/test-transport.ts';
import { createRegistryClient } from '../client.ts';
import type { Descriptor, RegistryClient } from '../registry.ts';

export const REPOSITORY = 'team/policy';
export const UNKNOWN_DIGEST = `sha256:${'0'.repeat(64)}`;

export const MANIFEST = {
  schemaVersion: 2,
  config: { mediaType: 'application/vnd.wasm.config.v1+json', digest: sha256('{}'), size: 2 },
  layers: [{ mediaType: 'application/vnd.wasm.content.layer.v1+wasm', digest: sha256('wasm'), size: 4 }],
};

export interface ClientGiven extends Pick<TransportGiven, 'insecure' | 'authorities' | 'limits'> {
  readonly credentials?: Readonly<Record<string, Credential>>;
}

export interface OpenedClient {
  readonly client: RegistryClient;
  /** What client and transport logged. */
  readonly records: ArtifactLogRecord[];
  readonly clock: { nowMs: number };
  /** The hosts whose credential was looked up. */
  readonly looked: string[];
}

export function openClient(t: Test, { credentials = {}, ...given }: ClientGiven = {}): OpenedClient {
  const { transport, records } = openTransport(t, given);
  const looked: string[] = [];
  const clock = { nowMs: 0 };
  const client = createRegistryClient({
    transport,
    credentials: {
      credentialFor: (host) => {
        looked.push(host);
        return Promise.resolve(credentials[host]);
      },
    },
    log: (record) => void records.push(record),
    nowMs: () => clock.nowMs,
  });
  return { client, records, clock, looked };
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function at(registry: { host: string }, version: Partial<ImageReference> = { tag: 'v1' }): ImageReference {
  return { registry: registry.host, repository: REPOSITORY, ...version };
}

export function descriptorOf(bytes: Uint8Array, more: Partial<Descriptor> = {}): Descriptor {
  return {
    mediaType: 'application/octet-stream',
    digest: sha256(bytes),
    size: bytes.length,
    annotations: new Map(),
    artifactType: undefined,
    platform: undefined,
    ...more,
  };
}
