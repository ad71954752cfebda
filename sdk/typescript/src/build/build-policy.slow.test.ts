import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseMetadata, readMetadata } from '@portcullis/protocol';
import type { PolicyMetadata } from '@portcullis/protocol';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import type { Test } from 'tap';
import { buildPolicy, buildPolicyFolder, buildPolicyWithReport, defaultCacheDir } from '../build.ts';
import { createModuleGuest } from '../testing/module-guest.ts';
import { definePolicy, deny, schema } from '../index.ts';
import { admissionRequest, evaluateBoth, evaluatePolicy, validateSettings } from '../testing.ts';

const SDK = fileURLToPath(new URL('../index.ts', import.meta.url));
const METADATA = parseMetadata(
  Buffer.from('{"protocolVersion":"v1","rules":[],"mutating":true,"hostCapabilities":["kubernetes/get_resource"]}'),
);
const cacheDir = defaultCacheDir(process.env);

/** The text of a policy.ts whose `validate` has this body. */
const policySource = (body: string, before = '') => `
  import { accept, definePolicy, deny, mutate, schema } from ${JSON.stringify(SDK)};
  ${before}
  export const policy = definePolicy({
    settings: schema.object({ names: schema.list(schema.string()).default([]) }),
    validate(request, { settings, host, log }) { ${body} },
  });`;

/** Builds a policy.ts with this text. */
async function build(t: Test, source: string, files: Record<string, string> = {}) {
  const folder = t.testdir({ 'policy.ts': source, ...files });
  return buildPolicy({ entry: join(folder, 'policy.ts'), metadata: METADATA, cacheDir });
}

/** A request whose object only says what the policy is to do. */
const ask = (what: string, more: object = {}) => ({ request: { object: { do: what, ...more } } });

const BEHAVIOURS = policySource(`
  const object = request.object;
  switch (object.do) {
    case 'accept': return accept({ warnings: ['w'], auditAnnotations: { a: 'b' } });
    case 'deny': return deny('no', { code: 418, warnings: ['x'] });
    case 'settings': return deny(settings.names.join());
    case 'throw': throw new TypeError('broken \\ud800');
    case 'throw-text': throw 'text';
    case 'recurse': { const dive = (depth) => 1 + dive(depth + 1); return dive(0); }
    case 'exhaust': { const kept = []; for (;;) kept.push(new Array(100_000).fill(1)); }
    case 'long-text': { let text = 'x'; for (;;) text += text; }
    case 'promise': return Promise.resolve(accept());
    case 'nothing': return undefined;
    case 'host': return deny(JSON.stringify(host.kubernetes.getResource({ apiVersion: 'v1', kind: 'Namespace', name: 'x' })));
    case 'host-caught': try { host.net.lookupHost('x') } catch (error) { return deny(error.name + '|' + error.operation + '|' + error.message) }
    case 'log': log.warning('careful', { at: 1 }); console.log('printed', { b: 2 }); console.error(new Error('e')); return accept();
    case 'world': return deny(JSON.stringify([Date.now(), new Date().toISOString(), Math.random(), typeof process, typeof fetch, typeof setTimeout]));
    case 'count': globalThis.count = (globalThis.count ?? 0) + 1; return deny(String(globalThis.count));
    case 'mutate': object.added = true; return mutate(object);
    case 'size': return deny(String(JSON.stringify(object).length));
  }`);

test('a built module is one waPC guest that asks for nothing else', async (t) => {
  const bytes = Uint8Array.from(await build(t, BEHAVIOURS));
  const module = new WebAssembly.Module(bytes);
  const imports = WebAssembly.Module.imports(module);
  t.same([...new Set(imports.map((entry) => entry.module))], ['wapc']);
  t.same(
    WebAssembly.Module.exports(module)
      .map(({ name }) => name)
      .toSorted(),
    ['__guest_call', 'memory'],
  );
  t.ok(bytes.length < 1_000_000, `module of ${bytes.length} bytes`);
  const nothing = Object.fromEntries(imports.map(({ name }) => [name, () => 0]));
  const memory = new WebAssembly.Instance(module, { wapc: nothing }).exports['memory'] as WebAssembly.Memory;
  t.ok(memory.buffer.byteLength < 4 * 1024 * 1024, `image of ${memory.buffer.byteLength} bytes`);
  t.throws(() => memory.grow(96 * 16), 'the memory has a maximum');
  t.same(readMetadata(bytes), METADATA);
});

test('the same policy gives the same bytes', async (t) => {
  const entry = join(t.testdir({ 'policy.ts': BEHAVIOURS }), 'policy.ts');
  const [first, second] = [
    await buildPolicyWithReport({ entry, metadata: METADATA }),
    await buildPolicyWithReport({ entry, metadata: METADATA }),
  ];
  t.equal(first.sha256, second.sha256);
  t.same([first.cached, second.cached], [false, false]);
});

test('verdicts, settings and host calls pass the border of the module', async (t) => {
  const module = await build(t, BEHAVIOURS);
  t.match(evaluatePolicy(module, ask('accept')), { accepted: true, warnings: ['w'], auditAnnotations: { a: 'b' } });
  t.match(evaluatePolicy(module, ask('deny')), { accepted: false, message: 'no', code: 418, warnings: ['x'] });
  t.equal(
    evaluatePolicy(module, { ...ask('settings'), settings: { names: ['ä', '日本', '🙂'] } }).message,
    'ä,日本,🙂',
  );
  const answered = evaluatePolicy(module, {
    ...ask('host'),
    host: { 'kubernetes/get_resource': () => ({ found: 'é' }) },
  });
  t.equal(answered.message, '{"found":"é"}');
  t.same(answered.hostCalls, [
    {
      operation: 'kubernetes/get_resource',
      request: { api_version: 'v1', kind: 'Namespace', name: 'x', disable_cache: false },
    },
  ]);
  const refuse = () => {
    throw new Error('not granted ✗');
  };
  const refused = evaluatePolicy(module, { ...ask('host-caught'), host: { 'net/v1/dns_lookup_host': refuse } });
  t.equal(refused.message, 'HostCallError|net/v1/dns_lookup_host|not granted ✗');
  t.throws(() => evaluatePolicy(module, { ...ask('host'), host: { 'kubernetes/get_resource': refuse } }), {
    message: 'HostCallError: not granted ✗',
  });
  t.same(validateSettings(module, {}), { valid: true });
  t.same(validateSettings(module, { names: 1 }), {
    valid: false,
    message: 'settings.names: expected a list, got a number',
  });
});

test('a policy and its module are evaluated as one, and an outdated module is an error', async (t) => {
  const module = await build(t, policySource("return deny('no', { code: 418 })"));
  const policyWith = (message: string) =>
    definePolicy({ settings: schema.object({}), validate: () => deny(message, { code: 418 }) });
  t.match(evaluateBoth(policyWith('no'), module, ask('x')), { accepted: false, message: 'no', code: 418 });
  t.throws(() => evaluateBoth(policyWith('never'), module, ask('x')), {
    message: /^the policy says \{.*"never".*\}, its module \{.*"no".*\} - build the module again/,
  });
});

test('log and console go to the log of the host', async (t) => {
  const { logs } = evaluatePolicy(await build(t, BEHAVIOURS), ask('log'));
  t.same(logs, [
    { level: 'warning', message: 'careful', fields: { at: 1 } },
    { level: 'info', message: 'printed {"b":2}', fields: {} },
    { level: 'error', message: 'Error: e', fields: {} },
  ]);
});

test('what fails inside the policy is a guest error with a message', async (t) => {
  const module = await build(t, BEHAVIOURS);
  const cases: [what: string, message: string | RegExp][] = [
    ['throw', 'TypeError: broken \ufffd'],
    ['throw-text', 'text'],
    ['recurse', 'RangeError: Maximum call stack size exceeded'],
    ['exhaust', 'InternalError: out of memory'],
    ['long-text', /InternalError: (?:out of memory|string too long)|RangeError: invalid string length/i],
    ['promise', /^TypeError: validate returned a promise, but a policy has no event loop/],
    ['nothing', 'TypeError: validate must return accept(…), deny(…) or mutate(…)'],
    ['host', /^HostCallError: kubernetes\/get_resource is not answered in this test/],
  ];
  for (const [what, message] of cases) t.throws(() => evaluatePolicy(module, ask(what)), { message }, what);
});

test('a module has no clock, no chance and no memory of earlier evaluations', async (t) => {
  const module = await build(t, BEHAVIOURS);
  const { message = '' } = evaluatePolicy(module, ask('world'));
  const [now, today, chance, ...globals] = JSON.parse(message) as unknown[];
  t.same([now, today, typeof chance], [0, '1970-01-01T00:00:00.000Z', 'number']);
  t.same(globals, ['undefined', 'undefined', 'undefined']);
  t.equal(evaluatePolicy(module, ask('world')).message, message, 'Math.random repeats itself');
  t.equal(evaluatePolicy(module, ask('count')).message, '1');
  t.equal(evaluatePolicy(module, ask('count')).message, '1');
});

test('a mutation keeps 2^53 + 1, 1.10 and 1.0 as they are', async (t) => {
  const module = await build(t, BEHAVIOURS);
  const request = '{"object":{"do":"mutate","big":9007199254740993,"list":[-9223372036854775808,1.10,1.0,1e22,3]}}';
  const { responseText } = evaluatePolicy(module, { request });
  t.equal(
    responseText,
    '{"accepted":true,"mutated_object":{"big":9007199254740993,"do":"mutate","list":[-9223372036854775808,1.1,1.0,1e+22,3],"added":true}}',
  );
});

test('a 1.5 MB object is evaluated, one beyond the heap is a guest error', async (t) => {
  const module = await build(t, BEHAVIOURS);
  const entries = Array.from({ length: 12_000 }, (_, index) => ({
    name: `entry-${index}`,
    value: 'ü'.repeat(60),
    n: [index, -index],
  }));
  const { message } = evaluatePolicy(module, ask('size', { entries }));
  t.ok(Number(message) > 1_000_000);
  const huge = { request: { object: { do: 'size', text: '🙂'.repeat(12 * 1024 * 1024) } } };
  t.throws(() => evaluatePolicy(module, huge), { message: /ran out of memory|out of memory/ });
});

test('damaged payloads and unknown operations end in guest errors, never in traps', async (t) => {
  const guest = createModuleGuest(await build(t, BEHAVIOURS), () => '');
  t.throws(() => guest('no_such_operation', ''), { message: 'unknown operation: no_such_operation' });
  t.equal(guest('protocol_version', ''), '"v1"');
  const payload = '{"request":{"object":{"do":"mutate","a":[1,2,{"b":9007199254740993}]}},"settings":{"names":["x"]}}';
  const random = randomFrom(0x9e3779b9);
  const outcomes = { answers: 0, refusals: 0 };
  for (let round = 0; round < 300; round++) {
    const at = random(payload.length);
    const damaged = payload.slice(0, at) + String.fromCharCode(random(0xd800)) + payload.slice(at + random(3));
    try {
      JSON.parse(guest(random(4) === 0 ? 'validate_settings' : 'validate', damaged));
      outcomes.answers++;
    } catch (error) {
      // A trap would be a WebAssembly.RuntimeError, an answer that is not JSON a SyntaxError of ours.
      if (!(error instanceof Error) || error.constructor !== Error) t.fail(String(error));
      outcomes.refusals++;
    }
  }
  t.ok(outcomes.answers > 0 && outcomes.refusals > 0, JSON.stringify(outcomes));
});

test('what a policy cannot do is refused when it is built, with the place', async (t) => {
  const cases: [source: string, message: RegExp][] = [
    [
      policySource('return accept()', "import { readFileSync } from 'node:fs'; readFileSync('/etc/passwd');"),
      /^policy\.ts:3:\d+: "node:fs" is part of Node\.js/,
    ],
    [policySource('return accept()', "import 'fs';"), /"fs" is part of Node\.js, and a policy runs without it/],
    [
      policySource("import('./other.ts'); return accept()"),
      /^policy\.ts:\d+:\d+: import\("\.\/other\.ts"\) loads code at run time/,
    ],
    [
      policySource('const f = async () => { await 1; }; f(); return accept()'),
      /policy\.ts:\d+: async functions and await do not work in a policy/,
    ],
    [policySource('return accept()', 'await Promise.resolve();'), /Top-level await/],
    [policySource('return accept('), /^policy\.ts:\d+:\d+: /],
    [policySource('return accept()', "import { x } from './missing.ts'; x();"), /Could not resolve "\.\/missing\.ts"/],
    ['export const policy = { validate() {} };', /the export `policy` is not a policy - make it with definePolicy/],
    ['export const other = 1;', /does not export a policy - expected: export const policy = definePolicy/],
    [
      policySource('return accept()', "throw new RangeError('early');"),
      /^The policy fails while it is loaded: RangeError: early$/,
    ],
    [
      policySource('return accept()', "__hostCall('kubewarden', 'net', 'v1/dns_lookup_host', '\"x\"');"),
      /the host cannot be called while the policy is being built/,
    ],
  ];
  for (const [source, message] of cases) {
    await t.rejects(
      build(t, source, { 'other.ts': 'export const x = 1;' }),
      { name: 'BuildError', message },
      String(message),
    );
  }
  const viaModule = policySource('later(); return accept()', "import { later } from './later.ts';");
  const later = 'export function later() { return wait(); }\n// async is only a word here\nconst wait = async () => 1;';
  await t.rejects(build(t, viaModule, { 'later.ts': later }), { message: /^later\.ts:3: async functions/ });
});

test('the cache gives back what was built, notices damage, and is not needed', async (t) => {
  const folder = t.testdir({ 'policy.ts': BEHAVIOURS, cache: {} });
  const options = { entry: join(folder, 'policy.ts'), metadata: METADATA, cacheDir: join(folder, 'cache') };
  const first = await buildPolicyWithReport(options);
  const second = await buildPolicyWithReport(options);
  t.same([first.cached, second.cached], [false, true]);
  t.equal(first.sha256, second.sha256);
  const other: PolicyMetadata = { ...METADATA, mutating: false };
  t.equal((await buildPolicyWithReport({ ...options, metadata: other })).cached, false, 'metadata is part of the key');
  for (const name of await readdir(options.cacheDir)) await writeFile(join(options.cacheDir, name), 'damaged');
  const repaired = await buildPolicyWithReport(options);
  t.same([repaired.cached, repaired.sha256], [false, first.sha256]);
  await writeFile(join(folder, 'file'), '');
  const unwritable = await buildPolicyWithReport({ ...options, cacheDir: join(folder, 'file/below') });
  t.same([unwritable.cached, unwritable.sha256], [false, first.sha256]);
});

test('a folder is built from its metadata.yml and README', async (t) => {
  const folder = t.testdir({ src: { 'policy.ts': BEHAVIOURS }, 'README.md': '# usage\n' });
  const metadata = (text: string) => writeFile(join(folder, 'metadata.yml'), text);
  await t.rejects(buildPolicyFolder({ folder, cacheDir }), { code: 'policy-missing', message: /no metadata\.yml/ });
  await metadata(
    'rules: []\nmutating: false\nannotations: { version: 1.10, flag: true, io.kubewarden.policy.title: x }\n',
  );
  const { module } = await buildPolicyFolder({ folder, cacheDir });
  t.match(readMetadata(module), {
    protocolVersion: 'v1',
    annotations: {
      version: '1.10',
      flag: 'true',
      'io.kubewarden.policy.title': 'x',
      'io.kubewarden.policy.usage': '# usage\n',
    },
  });
  const cases: [text: string, message: RegExp][] = [
    ['rules: []', /metadata\.yml is not valid: missing field `mutating`/],
    ['rules: [\n', /metadata\.yml is not valid: .*line/s],
    ['rules: []\nmutating: true\nexecutionMode: wasi', /executionMode: expected kubewarden-wapc/],
    [
      "rules: [{apiGroups: [], apiVersions: ['*', v1], resources: [pods], operations: [CREATE]}]\nmutating: true",
      /rules\[0\]\.apiGroups: .*; rules\[0\]\.apiVersions: /,
    ],
  ];
  for (const [text, message] of cases) {
    await metadata(text);
    await t.rejects(buildPolicyFolder({ folder, cacheDir }), { code: 'metadata-invalid', message }, text);
  }
  const empty = join(folder, 'empty');
  await mkdir(empty);
  await writeFile(join(empty, 'metadata.yml'), await readFile(join(folder, 'metadata.yml')));
  await writeFile(join(empty, 'metadata.yml'), 'rules: []\nmutating: false\n');
  await t.rejects(buildPolicyFolder({ folder: empty, cacheDir }), { message: /There is no src\/policy\.ts/ });
});

test('the code of the README builds, and does what it says', async (t) => {
  const readme = await readFile(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const [source = '', unitTest = ''] = readme
    .split('```ts\n')
    .slice(1)
    .map((block) => block.slice(0, block.indexOf('```')));
  const module = await build(t, source.replaceAll("'@portcullis/sdk'", JSON.stringify(SDK)));
  t.match(unitTest, /settings: \{ runtimeClass: 'gvisor' \}/);
  const pod = admissionRequest({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [] } });
  const asked = { request: pod, settings: { runtimeClass: 'gvisor' } };
  const { mutatedObject, logs } = evaluatePolicy(module, asked);
  t.match(mutatedObject, { spec: { runtimeClassName: 'gvisor' } });
  t.same(logs, [{ level: 'info', message: 'runtime class set', fields: {} }]);
  const enforced = { ...asked, settings: { runtimeClass: 'gvisor', enforce: true } };
  t.match(evaluatePolicy(module, enforced), { accepted: false, message: 'runtimeClassName must be gvisor' });
});
