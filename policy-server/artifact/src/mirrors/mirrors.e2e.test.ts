import { join } from 'node:path';
import { parseImageReference } from '@portcullis/protocol';
import {
  basicAuthorization,
  createCosignKeys,
  missingTool,
  type ProxiedRequest,
  registryTools,
  signWithKey,
  startRegistry,
  startTamperingProxy,
  type TamperingProxy,
  type TestRegistry,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { createPolicyFetcher, createPolicyVerifier, createRegistryClient, createTransport } from '../deferred.ts';
import { moduleOf, sha256 } from '../fetch/test/test-fetcher.ts';
import { parseModuleLocation } from '../location.ts';
import type { ArtifactLogRecord } from '../log.ts';
import { pushPolicy } from '../push/push.ts';
import type { RegistryClient } from '../registry/registry.ts';
import type { Transport } from '../transport/transport.ts';
import { parseSources } from '../sources/load.ts';
import { PolicyStore } from '../store/store.ts';
import { parseVerificationConfig } from '../verify/config/parse.ts';
import { NO_NETWORK } from '../verify/test/verification-run.ts';

const MODULE = moduleOf(11, 900_000);
const OWNER = { user: 'owner', password: 'of the source' };
const KEEPER = { user: 'keeper', password: 'of the mirror' };
const SOURCE = { referrers: true, basicAuth: OWNER };
const MIRRORS = {
  'of the distribution project': { referrers: false, program: 'distribution' },
  'of go-containerregistry, with a password': { referrers: false, basicAuth: KEEPER },
} as const;

interface Access {
  readonly client: RegistryClient;
  readonly transport: Transport;
  readonly records: readonly ArtifactLogRecord[];
}

interface Hosts {
  readonly source: TamperingProxy;
  readonly mirror: TamperingProxy;
  /** What is behind the mirror. */
  readonly store: TestRegistry;
}

/** As kwctl and the server put it together, from the text of a sources file. */
async function open(t: Test, { source, mirror, store }: Hosts): Promise<Access> {
  const records: ArtifactLogRecord[] = [];
  const log = (record: ArtifactLogRecord): void => void records.push(record);
  const text = `insecure_sources: ["${source.host}", "${mirror.host}", "${store.host}"]
mirrors:
  "${source.host}":
  - host: ${mirror.host}
    path: hub
`;
  const sources = await parseSources(text, { name: 'sources.yml', readFile: () => Promise.reject(new Error('none')) });
  const transport = createTransport({
    sources,
    proxies: { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined },
    log,
  });
  t.teardown(() => transport[Symbol.asyncDispose]());
  const known = new Map([
    [source.host, OWNER],
    [mirror.host, KEEPER],
    [store.host, KEEPER],
  ]);
  const credentials = {
    credentialFor: (host: string) => {
      const { user = '', password = '' } = known.get(host) ?? {};
      return Promise.resolve({ kind: 'basic', username: user, password } as const);
    },
  };
  const client = createRegistryClient({ transport, credentials, log, mirrors: sources.mirrors });
  return { client, transport, records };
}

const content = (requests: readonly ProxiedRequest[]): string[] =>
  requests.filter(({ method, path }) => method === 'GET' && path.includes('/blobs/')).map(({ path }) => path);
const authorizations = (requests: readonly ProxiedRequest[]): Set<string> =>
  new Set(requests.flatMap(({ authorization }) => authorization ?? []));

for (const [name, options] of Object.entries(MIRRORS)) {
  const skip = await missingTool('cosign', ...registryTools(SOURCE), ...registryTools(options));
  test(`a signed policy comes from a mirror ${name}, its signature from the source`, { skip }, async (t) => {
    await using registry = await startRegistry(SOURCE);
    await using store = await startRegistry(options);
    await using source = await startTamperingProxy(registry);
    await using mirror = await startTamperingProxy(store);
    const { client, transport, records } = await open(t, { source, mirror, store });
    const reference = parseImageReference(`${source.host}/team/policy:v1`);
    const policy = { bytes: MODULE, metadata: undefined, log: () => undefined };
    const { immutableReference } = await pushPolicy(client, { ...policy, reference });
    t.equal(mirror.requests.length, 0, 'all is written to the source');
    const key = await createCosignKeys(t.testdir({}));
    await signWithKey({ reference: immutableReference, format: 'bundle', key, registry: source });
    // The same bytes under the same digests, as a proxy fills itself, below a path of its own.
    await pushPolicy(client, { ...policy, reference: parseImageReference(`${store.host}/hub/team/policy:v1`) });

    const verifier = createPolicyVerifier({
      client,
      config: parseVerificationConfig(
        JSON.stringify({ apiVersion: 'v1', allOf: [{ kind: 'pubKey', key: key.publicKey }] }),
        'v.yml',
      ),
      trustRoot: NO_NETWORK,
      log: () => undefined,
      now: () => new Date(),
    });
    const pull = async (folder: string): Promise<string> => {
      const fetcher = createPolicyFetcher({
        transport,
        client,
        store: new PolicyStore(join(t.testdirName, folder)),
        verifier,
        maxBytes: 2 ** 21,
        log: () => undefined,
      });
      const loaded = await fetcher.load(parseModuleLocation(`registry://${source.host}/team/policy:v1`));
      return loaded.sha256;
    };
    const layer = `/blobs/sha256:${sha256(MODULE)}`;
    const [atSource, atMirror] = [source.requests.length, mirror.requests.length];
    t.equal(await pull('one'), sha256(MODULE));
    const bySource = source.requests.slice(atSource);
    const byMirror = mirror.requests.slice(atMirror);
    t.same(
      content(byMirror).filter((path) => path.endsWith(layer)),
      [`/v2/hub/team/policy${layer}`],
    );
    t.same(
      content(bySource).filter((path) => path.endsWith(layer)),
      [],
    );
    t.ok(
      bySource.some(({ path }) => path.includes('/referrers/')),
      'the signature is looked up at the source',
    );
    t.notOk(byMirror.some(({ path }) => /referrers|\.sig$|manifests\/v1$/.test(path)));

    mirror.tamper({ kind: 'flip-byte', path: /blobs/ });
    t.equal(await pull('two'), sha256(MODULE), 'what a mirror damages comes from the source');
    t.ok(records.some(({ level, message }) => level === 'warn' && message.startsWith('A mirror')));
    mirror.tamper({ kind: 'cut', bytes: 300_000, path: /blobs/ });
    t.equal(await pull('three'), sha256(MODULE));
    mirror.tamper({ kind: 'drop', method: '*' });
    t.equal(await pull('four'), sha256(MODULE), 'also without the mirror');
    t.same(authorizations(source.requests), new Set([basicAuthorization(OWNER)]));
    const seen = 'basicAuth' in options ? [basicAuthorization(KEEPER)] : [];
    t.same(authorizations(mirror.requests), new Set(seen), 'and each saw its own password only');
  });
}
