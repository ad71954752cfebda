import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createCosignKeys,
  createSigstore,
  missingTool,
  policyModule,
  ProgrammableRegistry,
  pushPolicyModule,
  pushBundles,
  registryTools,
  signWithKey,
  startRegistry,
  startTamperingProxy,
  type CosignKeys,
  type TestRegistry,
  type Tamper,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { start, startFailure } from '../test/test-server.ts';

const WITH_REFERRERS = { referrers: true } as const;
const skip = await missingTool('cosign', ...registryTools(WITH_REFERRERS));

interface Chain {
  readonly folder: string;
  readonly registry: TestRegistry;
  readonly keys: CosignKeys;
  /** Flags of a server that takes policies from the registry and keeps them in a folder of its own. */
  readonly flags: (options?: Options) => Promise<string[]>;
}

interface Options {
  readonly verification?: object;
  readonly insecure?: readonly string[];
  readonly store?: string;
  readonly trustConfig?: string;
}

let files = 0;

async function chain(t: Test): Promise<Chain> {
  const folder = await mkdtemp(join(tmpdir(), 'supply-chain-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const registry = await startRegistry(WITH_REFERRERS);
  t.teardown(() => registry[Symbol.asyncDispose]());
  const keys = await createCosignKeys(folder);
  const file = async (content: object): Promise<string> => {
    const path = join(folder, `file-${files++}.yml`);
    await writeFile(path, JSON.stringify(content));
    return path;
  };
  return {
    folder,
    registry,
    keys,
    async flags({ verification, insecure = [registry.host], store = `store-${files++}`, trustConfig } = {}) {
      const sources = await file({ insecure_sources: insecure });
      const flags = [`--sources-path=${sources}`, `--policies-download-dir=${join(folder, store)}`];
      if (verification !== undefined) flags.push(`--verification-path=${await file(verification)}`);
      if (trustConfig !== undefined) flags.push(`--sigstore-trust-config=${trustConfig}`);
      return flags;
    },
  };
}

async function signedBy(keys: CosignKeys): Promise<object> {
  return { apiVersion: 'v1', allOf: [{ kind: 'pubKey', key: await readFile(keys.publicKeyPath, 'utf8') }] };
}

test('a policy comes from its registry, signed by the right key, and is kept', { skip }, async (t) => {
  const { registry, keys, folder, flags } = await chain(t);
  const pushed = await pushPolicyModule(registry, 'policies/no', await policyModule({ rejectWith: 'no' }), 'v1');
  await signWithKey({ reference: pushed.immutableReference, key: keys, format: 'bundle' });
  const module = `registry://${pushed.repository}:v1`;
  {
    await using server = await start(
      { no: { module } },
      await flags({ verification: await signedBy(keys), store: 'kept' }),
    );
    t.match(await server.verdict('/validate/no'), { allowed: false, status: { message: /^no$/ } });
  }
  t.ok((await stat(join(folder, 'kept', 'registry', registry.host, 'policies', 'no:v1'))).isFile());
});

test('a policy without the signature that was asked for is refused, and says which and why', { skip }, async (t) => {
  const { registry, keys, folder, flags } = await chain(t);
  const others = await createCosignKeys(join(folder, 'other'));
  const bytes = await policyModule();
  const signed = await pushPolicyModule(registry, 'signed', bytes, 'v1');
  await signWithKey({ reference: signed.immutableReference, key: keys, format: 'legacy' });
  const unsigned = await pushPolicyModule(registry, 'unsigned', await policyModule({ label: 'u' }), 'v1');
  const verification = await signedBy(others);
  const policies = {
    stranger: { module: `registry://${signed.repository}:v1` },
    group: { expression: 'a()', message: 'm', policies: { a: { module: `registry://${unsigned.repository}:v1` } } },
    web: { module: 'https://127.0.0.1:1/policy.wasm' },
  };
  const failure = await startFailure(policies, await flags({ verification }));
  const [stranger, member, web] = failure.details;
  t.match(
    stranger,
    /^Policy 'stranger' cannot be verified: Image verification failed: missing signatures\nThe following constraints were not satisfied:\nkind: pubKey\nowner: null\nkey: \|\n/,
  );
  t.match(member, `Policy 'group/#a' cannot be verified: no signatures found for image: `);
  t.match(web, /^Policy 'web' cannot be verified: /);
  const store = join(folder, 'untouched');
  await startFailure(policies, await flags({ verification, store: 'untouched' }));
  await t.rejects(stat(store), { code: 'ENOENT' }, 'nothing is downloaded that is not verified');

  await using server = await start(policies, [...(await flags({ verification })), '--continue-on-errors']);
  t.match(await server.verdict('/validate/stranger'), {
    allowed: false,
    status: { code: 500, message: /^bootstrap failure: stranger: Policy 'stranger' cannot be verified: / },
  });
});

test('a policy that was changed on disk after it was verified is refused', { skip }, async (t) => {
  const { registry, keys, folder, flags } = await chain(t);
  const pushed = await pushPolicyModule(registry, 'no', await policyModule({ rejectWith: 'no' }), 'v1');
  await signWithKey({ reference: pushed.immutableReference, key: keys, format: 'bundle' });
  const options = { verification: await signedBy(keys), store: 'changed' };
  const policies = { no: { module: `registry://${pushed.repository}:v1` } };
  await (await start(policies, await flags(options)))[Symbol.asyncDispose]();
  await appendFile(join(folder, 'changed', 'registry', registry.host, 'no:v1'), '\0');
  const failure = await startFailure(policies, await flags(options));
  t.match(
    failure.message,
    /^Verification of policy no failed: The digest of the local file doesn't match with the one reported inside of the signed manifest\. Got [0-9a-f]{64} instead of [0-9a-f]{64}/,
  );
});

test('fails closed when the trust root cannot be built; keys can still be checked without one', { skip }, async (t) => {
  const { registry, keys, folder, flags } = await chain(t);
  const pushed = await pushPolicyModule(registry, 'no', await policyModule(), 'v1');
  await signWithKey({ reference: pushed.immutableReference, key: keys, format: 'bundle' });
  const policies = { no: { module: `registry://${pushed.repository}:v1` } };
  const keyless = {
    apiVersion: 'v1',
    allOf: [{ kind: 'genericIssuer', issuer: 'https://issuer.test', subject: { equal: 'a@b.test' } }],
  };
  const malformed = join(folder, 'malformed.json');
  await writeFile(malformed, '{"trustedRoot": 7}');
  for (const trustConfig of ['/none/trust.json', malformed]) {
    const failure = await startFailure(policies, await flags({ verification: keyless, trustConfig }));
    t.match(failure.message, /^Policy 'no' cannot be verified: /, trustConfig);
    const key = await flags({ verification: await signedBy(keys), trustConfig });
    {
      await using server = await start(policies, key);
      const warning = 'Cannot create Sigstore trust root, verification relying on Rekor and Fulcio will fail';
      const isSaid = (): boolean =>
        server.log.entries.some(({ level, message }) => level === 'warn' && message === warning);
      for (let waits = 0; waits < 500 && !isSaid(); waits++) await sleep(10);
      t.ok(isSaid(), trustConfig);
    }
    const unsigned = await pushPolicyModule(registry, 'unsigned', await policyModule({ label: 'u' }), 'v1');
    const refused = await startFailure({ u: { module: `registry://${unsigned.repository}:v1` } }, key);
    t.match(refused.message, /^Policy 'u' cannot be verified: /);
  }
});

test('a keyless signature counts for exactly the identity it was given to', { skip }, async (t) => {
  const { registry, folder, flags } = await chain(t);
  const sigstore = await createSigstore();
  const trustConfig = join(folder, 'trust.json');
  await writeFile(trustConfig, sigstore.trustConfig());
  const pushed = await pushPolicyModule(registry, 'no', await policyModule(), 'v1');
  const signer = sigstore.issue({ issuer: 'https://issuer.test', email: 'dev@example.com' });
  await pushBundles(registry, 'no', pushed.manifest, [await sigstore.signBundle(pushed.digest, signer)]);
  const policies = { no: { module: `registry://${pushed.repository}:v1` } };
  const asking = async (issuer: string, subject: string): Promise<string[]> =>
    flags({
      verification: { apiVersion: 'v1', allOf: [{ kind: 'genericIssuer', issuer, subject: { equal: subject } }] },
      trustConfig,
    });
  await (await start(policies, await asking('https://issuer.test', 'dev@example.com')))[Symbol.asyncDispose]();
  for (const [issuer, subject] of [
    ['https://issuer.test', 'dev@example'],
    ['https://issuer.test', 'dev@exampleXcom'],
    ['https://issuer.test', '.*'],
    ['https://issuer', 'dev@example.com'],
  ] as const) {
    const failure = await startFailure(policies, await asking(issuer, subject));
    t.match(failure.message, `subject: !equal ${subject.startsWith('.') ? '' : subject}`);
  }
});

test(
  'a tag on disk starts the server without network; latest is asked again, and stood in for',
  { skip },
  async (t) => {
    const { registry, flags } = await chain(t);
    const policies = {
      pinned: { module: `registry://${registry.host}/p:v1` },
      moving: { module: `${registry.host}/p` },
    };
    const push = async (rejectWith: string): Promise<void> => {
      const bytes = await policyModule({ rejectWith });
      for (const tag of ['v1', 'latest']) await pushPolicyModule(registry, 'p', bytes, tag);
    };
    const answers = async (): Promise<readonly [string | undefined, string | undefined, string]> => {
      await using server = await start(policies, await flags({ store: 'tags' }));
      const message = async (id: string) => (await server.verdict(`/validate/${id}`)).status?.message;
      return [await message('pinned'), await message('moving'), JSON.stringify(server.log.entries)];
    };
    await push('first');
    t.match(await answers(), ['first', 'first']);
    await push('second');
    t.match(await answers(), ['first', 'second']);
    await registry[Symbol.asyncDispose]();
    const [pinned, moving, log] = await answers();
    t.match([pinned, moving], ['first', 'second']);
    t.match(log, /"level":"warn"[^}]*stored/i);
  },
);

test('what is wrong with a download is said, and nothing is kept', { skip }, async (t) => {
  const { registry, folder, flags } = await chain(t);
  await pushPolicyModule(registry, 'p', await policyModule({ paddingBytes: 200_000 }), 'v1');
  const blobs = /\/blobs\//;
  const cases: readonly [string, Tamper, RegExp][] = [
    ['flipped', { kind: 'flip-byte' }, /expected sha256:[0-9a-f]{64}, got sha256:/],
    ['shorter', { kind: 'truncate', bytes: 1000 }, /bytes|digest/],
    ['html', { kind: 'html' }, /digest|bytes|answer/],
    ['failing', { kind: 'status', status: 500 }, /500/],
    ['limited', { kind: 'status', status: 429, headers: { 'retry-after': '3600' } }, /429|3600|left alone|limit/],
  ];
  for (const [store, damage, text] of cases) {
    await using proxy = await startTamperingProxy(registry.url, { tampers: [{ path: blobs, ...damage }] });
    const options = { insecure: [proxy.host], store };
    const failure = await startFailure({ p: { module: `${proxy.host}/p:v1` } }, await flags(options));
    t.match(failure.message, /^Error while downloading policy 'p' from 127\.0\.0\.1:\d+\/p:v1: /, store);
    t.match(failure.message, text, store);
    t.notMatch(failure.message, /<html/i);
    await t.rejects(stat(join(folder, store, 'registry', proxy.host, 'p:v1')), { code: 'ENOENT' });
  }
});

test('GET of nothing outside the configured hosts', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  await using elsewhere = await ProgrammableRegistry.start();
  registry.route('GET', /\/manifests\//, { status: 307, headers: { location: `${elsewhere.url}/v2/p/manifests/v1` } });
  const sources = join(await mkdtemp(join(tmpdir(), 'sources-')), 'sources.yml');
  await writeFile(sources, JSON.stringify({ insecure_sources: [registry.host] }));
  const failure = await startFailure({ p: { module: `${registry.host}/p:v1` } }, [
    `--sources-path=${sources}`,
    `--policies-download-dir=${join(sources, '..', 'store')}`,
  ]);
  t.match(failure.message, /^Error while downloading policy 'p' from /);
  t.equal(elsewhere.requests.length, 0, 'a redirect to a host that may not be spoken to in plain HTTP is not followed');
});

test('the sources file and the verification config are read before anything is fetched, and say what is wrong', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'config-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'file.yml');
  const failure = async (flag: string, text: string): Promise<string> => {
    await writeFile(path, text);
    return (await startFailure({}, [`${flag}=${path}`])).message;
  };
  t.match(
    (await startFailure({}, ['--sources-path=/none.yml'])).message,
    /^error while loading sources from \/none\.yml: .*No such file/,
  );
  const authority = 'source_authorities: {h: [{type: data, data: x}]}';
  t.match(
    await failure('--sources-path', authority),
    'source_authorities.h[0].type: unknown variant `data`, expected `Data` or `Path`',
  );
  t.match(
    (await startFailure({}, ['--verification-path=/none.yml'])).message,
    'failed to read verification file: No such file or directory (os error 2)',
  );
  t.match(await failure('--verification-path', 'apiVersion: v2'), 'Not a supported configuration version: Unsupported');
  t.match(
    await failure('--verification-path', 'apiVersion: v1'),
    'config is missing signatures in both allOf and anyOff list',
  );
});

test('a folder of credentials without a config.json is pointed out', async (t) => {
  await using server = await start({}, ['--docker-config-json-path=/none']);
  const warning = server.log.entries.find(({ message }) => message.startsWith('Docker config file not found. '));
  t.match(warning, { level: 'warn', message: /The file path should be \/none\/config\.json\.$/ });
});
