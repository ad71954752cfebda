import { ANONYMOUS, createTransport, type ArtifactLog, type TrustRootSource } from '@portcullis/artifact';
import { encodeUtf8, parseCapabilityPatterns } from '@portcullis/protocol';
import { createCapabilities, type HostCalls } from '../capabilities.ts';
import { createRegistryCapabilities } from '../registry-capabilities.ts';

/** What a policy that may ask for `oci/*` sees. */
export interface Host extends AsyncDisposable {
  ask(operation: string, payload: unknown, remainingMs?: number): Promise<unknown>;
}

/** A host that reaches the registry at `host`, which may be without TLS. */
export function openHost(
  host: string,
  {
    trustRoot = noTrustRoot,
    log = () => {},
  }: { readonly trustRoot?: TrustRootSource; readonly log?: ArtifactLog } = {},
): Host {
  const stack = new AsyncDisposableStack();
  const transport = stack.use(
    createTransport({
      sources: { insecure: new Set([host]), authorities: new Map(), proxies: undefined },
      proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
      log,
    }),
  );
  const { handlers } = stack.use(
    createRegistryCapabilities({ transport, mirrors: undefined, credentials: ANONYMOUS, trustRoot, log }),
  );
  const hostCalls: HostCalls = createCapabilities({ handlers, log() {} });
  return {
    async ask(operation, payload, remainingMs) {
      const bytes = encodeUtf8(JSON.stringify(payload));
      const answer = await hostCalls(
        { binding: 'kubewarden', namespace: 'oci', operation, payload: bytes },
        {
          policyId: 'p',
          allowList: parseCapabilityPatterns(['oci/*']),
          contextAwareResources: [],
          signal: new AbortController().signal,
          remainingMs,
        },
      );
      return JSON.parse(Buffer.from(answer).toString());
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const noTrustRoot: TrustRootSource = {
  trustRoot: () => Promise.reject(new Error('no trust root in this test')),
};
