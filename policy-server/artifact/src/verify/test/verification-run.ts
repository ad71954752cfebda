import { policyModule, pushPolicyModule, type PushedArtifact, type TestRegistry } from '@portcullis/testkit';
import { parseImageReference } from '@portcullis/protocol';
import { ANONYMOUS } from '../../credentials/credentials.ts';
import { ArtifactError } from '../../errors.ts';
import type { ArtifactLogRecord } from '../../log.ts';
import { createRegistryClient } from '../../registry/client.ts';
import { createTransport } from '../../transport/create-transport.ts';
import { parseVerificationConfig } from '../config/parse.ts';
import type { VerificationConfig } from '../config/requirement.ts';
import type { Requirement } from '../requirement-match.ts';
import type { TrustRootSource } from '../trust/trust-root.ts';
import { createPolicyVerifier, type PolicyVerifier } from '../verifier.ts';

export const NO_NETWORK: TrustRootSource = {
  needsNetwork: true,
  trustRoot: () => Promise.reject(new ArtifactError('trust-root-unavailable', 'there is no network')),
};

export interface Setup {
  readonly config: string | VerificationConfig<Requirement>;
  readonly trustRoot?: TrustRootSource;
}

export interface Run extends AsyncDisposable {
  readonly verifier: PolicyVerifier;
  readonly log: ArtifactLogRecord[];
  /** `ok`, or the error's code and text. */
  outcome(image: PushedArtifact | string): Promise<string>;
}

/** A verifier that reaches this registry in plain HTTP, and remembers what it logged. */
export function openRun(registry: { readonly host: string }, { config, trustRoot = NO_NETWORK }: Setup): Run {
  const log: ArtifactLogRecord[] = [];
  const keep = (record: ArtifactLogRecord): void => void log.push(record);
  const transport = createTransport({
    sources: { insecure: new Set([registry.host]), authorities: new Map(), proxies: undefined },
    proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
    log: keep,
  });
  const client = createRegistryClient({ transport, credentials: ANONYMOUS, log: keep });
  const parsed = typeof config === 'string' ? parseVerificationConfig(config, 'verification.yml') : config;
  const verifier = createPolicyVerifier({ client, config: parsed, trustRoot, log: keep, now: () => new Date() });
  return {
    verifier,
    log,
    async outcome(image) {
      const reference = parseImageReference(typeof image === 'string' ? image : `${image.repository}:v1`);
      try {
        const { digest } = await verifier.verify(reference);
        return typeof image === 'string' || digest === image.digest ? 'ok' : `ok for ${digest}`;
      } catch (error) {
        if (error instanceof ArtifactError) return `${error.code}: ${error.message}`;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

export function pubKeyEntry(pem: string, annotations: Record<string, string> = {}): object {
  return { kind: 'pubKey', key: pem, annotations };
}

export function allOf(...entries: object[]): string {
  return JSON.stringify({ apiVersion: 'v1', allOf: entries });
}

export function anyOf(minimumMatches: number, ...signatures: object[]): string {
  return JSON.stringify({ apiVersion: 'v1', anyOf: { minimumMatches, signatures } });
}

let images = 0;

export async function newImage(registry: TestRegistry): Promise<PushedArtifact> {
  const label = `policies/p${(images += 1)}`;
  return pushPolicyModule(registry, label, await policyModule({ label }));
}

/** The repository without the host. */
export function nameOf({ repository }: PushedArtifact): string {
  return repository.slice(repository.indexOf('/') + 1);
}
