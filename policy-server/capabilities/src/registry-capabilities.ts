import {
  createRegistryClient,
  withoutWaiting,
  type ArtifactLog,
  type CredentialSource,
  type Sources,
  type Transport,
  type TrustRootSource,
} from '@portcullis/artifact';
import type { CacheLookup } from './cache/lookup.ts';
import { createImageHandlers } from './oci/images.ts';
import { RegistryCache } from './oci/registry-cache.ts';
import type { AnswerTimes } from './oci/timed-answers.ts';
import { createVerifyHandlers } from './sigstore/verify.ts';

export interface RegistryCapabilitiesOptions {
  readonly transport: Transport;
  readonly mirrors: Sources['mirrors'];
  readonly credentials: CredentialSource;
  readonly trustRoot: TrustRootSource;
  readonly log: ArtifactLog;
  /** How long answers of registries count. @default a minute; 0 = the cache is off */
  readonly times?: Partial<AnswerTimes>;
  readonly onLookup?: (lookup: CacheLookup) => void;
  /** @default the clock of the machine */
  readonly now?: () => Date;
}

/** What a host can do that reaches registries. */
export interface RegistryCapabilities extends Disposable {
  readonly handlers: ReturnType<typeof createImageHandlers> & ReturnType<typeof createVerifyHandlers>;
}

/** Makes the handlers of `oci/*`, over one cache that all policies share. */
export function createRegistryCapabilities(options: RegistryCapabilitiesOptions): RegistryCapabilities {
  const { transport, mirrors, credentials, trustRoot, log, times, onLookup, now = () => new Date() } = options;
  const registry = new RegistryCache({
    // A policy has no time to wait as a registry may wish; and the cache has to hear of the wish to honour it.
    reader: createRegistryClient({ transport: withoutWaiting(transport), mirrors, credentials, log }),
    credentials,
    ...(times !== undefined && { times }),
    ...(onLookup !== undefined && { onLookup }),
  });
  return {
    handlers: { ...createImageHandlers(registry), ...createVerifyHandlers({ registry, trustRoot, log, now }) },
    [Symbol.dispose]: () => registry[Symbol.dispose](),
  };
}
