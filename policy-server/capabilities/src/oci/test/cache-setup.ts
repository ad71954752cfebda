import { createHash } from 'node:crypto';
import { ANONYMOUS, createRegistryClient, createTransport, type RegistryReader } from '@portcullis/artifact';
import { parseImageReference } from '@portcullis/protocol';
import { ProgrammableRegistry } from '@portcullis/testkit';
import type { CacheResult } from '../../cache/lookup.ts';
import { RegistryCache, type RegistryCacheOptions } from '../registry-cache.ts';

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const MINUTE = 60_000;

/** A manifest that differs from others by a text. */
export function image(text: string): object {
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const layer = { mediaType: 'application/octet-stream', digest, size: text.length };
  return { schemaVersion: 2, mediaType: MANIFEST, config: layer, layers: [layer], annotations: { text } };
}

/** A cache in front of a registry whose answers tests set, with a clock of its own. */
export interface Setup extends AsyncDisposable {
  readonly registry: ProgrammableRegistry;
  readonly reader: RegistryReader;
  readonly results: CacheResult[];
  readonly clock: { nowMs: number };
  open(options?: Partial<RegistryCacheOptions>): RegistryCache;
  /** `repo:v1` at the registry. */
  at(reference: string): ReturnType<typeof parseImageReference>;
  heads(): number;
  gets(): number;
}

export async function setup(): Promise<Setup> {
  const stack = new AsyncDisposableStack();
  const registry = stack.use(await ProgrammableRegistry.start());
  const transport = stack.use(
    createTransport({
      sources: { insecure: new Set([registry.host]), authorities: new Map(), proxies: undefined },
      proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
      log() {},
      limits: { maxRetries: 0 },
    }),
  );
  const reader = createRegistryClient({ transport, credentials: ANONYMOUS, log() {} });
  const clock = { nowMs: 1000 };
  const results: CacheResult[] = [];
  const open: Setup['open'] = (options = {}) =>
    stack.use(
      new RegistryCache({
        reader,
        credentials: ANONYMOUS,
        nowMs: () => clock.nowMs,
        onLookup: ({ result }) => results.push(result),
        ...options,
      }),
    );
  const manifests = (method: string): number => registry.count(method, /\/manifests\//);
  return {
    registry,
    reader,
    results,
    clock,
    open,
    at: (reference) => parseImageReference(`${registry.host}/${reference}`),
    heads: () => manifests('HEAD'),
    gets: () => manifests('GET'),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
