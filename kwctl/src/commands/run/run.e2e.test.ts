import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import {
  folder,
  forEachTwoAtOnce,
  kwctl,
  line,
  REVIEW,
  UID,
  withMetadata,
  withoutMetadata,
  type Outcome,
} from '../../test/kwctl-process.ts';

test('printed lines are exact', async (t) => {
  const cwd = await folder(t, 'wapc-rust', 'rego-opa');
  const ask = async (settings: string, ...more: string[]): Promise<Outcome> =>
    kwctl(['run', '-r', 'review.json', '--settings-json', settings, ...more, 'wapc-rust.wasm'], { cwd });
  t.same(await ask('{}'), { code: 0, stdout: line(true), stderr: '' });
  t.same(await ask('{"behaviour":"reject","message":"say \\"no\\"","code":401}'), {
    code: 0,
    stdout: line(false, ',"status":{"message":"say \\"no\\"","code":401}'),
    stderr: '',
  });
  t.equal(
    (await ask('{"behaviour":"warn"}')).stdout,
    `{"uid":"${UID}","allowed":true,"auditAnnotations":{"seen":"yes"},"warnings":["careful"]}\n`,
  );
  const mutated = await ask('{"behaviour":"mutate"}');
  t.match(
    mutated.stdout,
    /^\{"uid":"[^"]+","allowed":true,"patchType":"JSONPatch","patch":"[A-Za-z0-9+/=]+","auditAnnotations":null,"warnings":null\}\n$/,
  );
  t.match((await ask('{"behaviour":"counter"}')).stdout, '"message":"1"');
  t.match(
    (await ask('{"behaviour":"log"}')).stderr,
    /^\d{4}-\d\d-\d\dT[\d:]+\.\d{6}Z +(INFO|DEBUG) policy\{id=policy-from-cli\}: policy_log: a line from the guest\n$/,
  );
});

test('-r - reads stdin; an AdmissionReview and its bare request answer the same', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const bare = JSON.stringify((JSON.parse(Buffer.from(REVIEW).toString()) as { request: unknown }).request);
  const args = ['run', '-r', '-', '--settings-json', '{"behaviour":"echo"}', 'wapc-rust.wasm'];
  const review = await kwctl(args, { cwd, stdin: Buffer.from(REVIEW).toString() });
  t.equal(review.code, 0);
  t.same(await kwctl(args, { cwd, stdin: bare }), review);
  t.match(await kwctl(args, { cwd, stdin: '{"a"' }), {
    code: 1,
    stdout: '',
    stderr: 'Error: EOF while parsing an object at line 1 column 4 (request file <stdin>)\n',
  });
});

test('what is wrong is named, with its file, and exits 1', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  writeFileSync(join(cwd, 'text.wasm'), 'no wasm');
  writeFileSync(
    join(cwd, 'new.wasm'),
    withMetadata(await guestModule('wapc-rust'), { minimumKubewardenVersion: '1.99.3' }),
  );
  writeFileSync(join(cwd, 'cut.json'), '{"a":1');
  writeFileSync(join(cwd, 'session.yml'), 'a: 1');
  const run = ['run', '-r', 'review.json'];
  const cases: [string[], RegExp][] = [
    [[...run, 'none.wasm'], /^Error: Cannot find policy with uri: none\.wasm – there is no such file/],
    [[...run, ''], /^Error: Cannot find policy with uri: /],
    [[...run, 'ghcr.io/a/b:v1'], /^Error: Cannot find policy with uri: ghcr\.io\/a\/b:v1 /],
    [
      [...run, 'registry://ghcr.io/a/b:v1'],
      /^Error: cannot fetch registry:\/\/ghcr\.io\/a\/b:v1: this release loads modules from files only/,
    ],
    [[...run, 'ftp://x/p.wasm'], /^Error: unknown scheme: ftp/],
    [[...run, 'text.wasm'], /^Error: invalid wasm file: file:\/\/.*text\.wasm/],
    [
      [...run, 'new.wasm'],
      /^Error: Policy required Kubewarden version 1\.99\.0 or greater\. But it's running on 1\.36\.0/,
    ],
    [
      ['run', '-r', 'none.json', 'wapc-rust.wasm'],
      /^Error: Error opening request file none\.json; No such file or directory \(os error 2\)/,
    ],
    [
      ['run', '-r', 'cut.json', 'wapc-rust.wasm'],
      /^Error: EOF while parsing an object at line 1 column 6 \(request file cut\.json\)/,
    ],
    [
      [...run, '--settings-json', '[1]', 'wapc-rust.wasm'],
      /^Error: Invalid settings in CRD, not an object \(--settings-json\)/,
    ],
    [[...run, '-s', 'none.yml', 'wapc-rust.wasm'], /^Error: Cannot open settings file none\.yml: /],
    [[...run, '-e', 'opa', 'wapc-rust.wasm'], /^Error: The policy has not been created with Rego/],
    [
      [...run, '--allowed-host-capabilities', 'oci*', '--', 'wapc-rust.wasm'],
      /^Error: Invalid host capabilities pattern: invalid pattern "oci\*": wildcard/,
    ],
    [
      [...run, '--allowed-host-capabilities=', 'wapc-rust.wasm'],
      /^Error: Invalid host capabilities pattern: .*pattern must not be empty/,
    ],
    [
      [...run, '--sources-path', 's.yml', 'wapc-rust.wasm'],
      /^Error: --sources-path: this release runs policies from files/,
    ],
    [[...run, '-k', 'a.pub', '-k', 'b.pub', 'wapc-rust.wasm'], /^Error: --verification-key: .*nor verifies signatures/],
    [
      [...run, '--replay-host-capabilities-interactions', 'none.yml', 'wapc-rust.wasm'],
      /^Error: cannot use the recorded session none\.yml: .*No such file/,
    ],
    [
      [...run, '--replay-host-capabilities-interactions', 'session.yml', 'wapc-rust.wasm'],
      /^Error: cannot use the recorded session session\.yml: expected a list/,
    ],
    [[...run, 'cr.yaml'], /^Error: Cannot open YAML file "cr\.yaml": .*No such file/],
    [[...run, '--raw', 'cr.yaml'], /^Error: The --raw option cannot be used with a YAML file: cr\.yaml/],
  ];
  await forEachTwoAtOnce(cases, async ([args, stderr]) => {
    const outcome = await kwctl(args, { cwd });
    t.match(outcome, { code: 1, stdout: '', stderr }, args.slice(1).join(' '));
    t.notMatch(outcome.stderr, /\n {4}at /, `no stack trace: ${args.join(' ')}`);
  });
});

test('an unannotated module is a waPC policy, silently; -e kubewarden and kubewarden-wapc both mean it', async (t) => {
  const cwd = await folder(t);
  const annotated = await guestModule('wapc-rust');
  const echo = await watModule('(module (memory (export "memory") 1) (func (export "_start")))');
  writeFileSync(join(cwd, 'wasi.wasm'), echo);
  writeFileSync(join(cwd, 'plain.wasm'), withoutMetadata(annotated));
  for (const mode of [[], ['-e', 'kubewarden'], ['-e', 'kubewarden-wapc']]) {
    t.same(await kwctl(['run', 'plain.wasm', ...mode, '-r', 'review.json'], { cwd }), {
      code: 0,
      stdout: line(true),
      stderr: '',
    });
  }
  const url = pathToFileURL(join(cwd, 'plain.wasm')).href;
  t.match(await kwctl(['run', '-r', 'review.json', url], { cwd }), { code: 0, stdout: line(true) });
  t.match(await kwctl(['run', '-r', 'review.json', 'wasi.wasm'], { cwd }), {
    code: 1,
    stderr: /not exported by wasm module/,
  });
});

test('an OPA policy without metadata is not run as Gatekeeper policy: it would allow what it rejects', async (t) => {
  const cwd = await folder(t);
  writeFileSync(join(cwd, 'opa.wasm'), withoutMetadata(await guestModule('rego-opa')));
  writeFileSync(join(cwd, 'gatekeeper.wasm'), withoutMetadata(await guestModule('rego-gatekeeper')));
  const ask = async (policy: string, ...mode: string[]): Promise<Outcome> =>
    kwctl(['run', '-r', 'review.json', ...mode, '--settings-json', '{"behaviour":"reject"}', policy], { cwd });
  t.match(await ask('opa.wasm', '-e', 'gatekeeper'), { code: 1, stdout: '', stderr: /no entrypoint named violation/ });
  t.match(await ask('opa.wasm', '-e', 'opa'), { code: 0, stdout: /"allowed":false/ });
  t.match(await ask('gatekeeper.wasm', '-e', 'gatekeeper'), { code: 0, stdout: /"allowed":false/ });
  t.match(await ask('gatekeeper.wasm', '-e', 'opa'), { code: 0, stdout: /"allowed":false/ });
  t.match(await ask('opa.wasm'), { code: 1, stderr: /please specify which Opa runtime has to be used/ });
});

test('raw requests: by flag or by metadata, the uid comes from the request', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  writeFileSync(join(cwd, 'raw.wasm'), withMetadata(await guestModule('wapc-rust'), { policyType: 'raw' }));
  const args = ['run', '-r', '-', '--settings-json', '{"behaviour":"echo"}'];
  const expected =
    '{"uid":"u1","allowed":false,"status":{"message":"{\\"request\\":{\\"n\\":9007199254740993,\\"uid\\":\\"u1\\"},\\"settings\\":{\\"behaviour\\":\\"echo\\"}}"},"auditAnnotations":null,"warnings":null}\n';
  const stdin = '{"uid":"u1","n":9007199254740993}';
  t.equal((await kwctl([...args, '--raw', 'wapc-rust.wasm'], { cwd, stdin })).stdout, expected);
  t.equal((await kwctl([...args, 'raw.wasm'], { cwd, stdin })).stdout, expected);
  t.match((await kwctl([...args, 'raw.wasm'], { cwd, stdin: '7' })).stdout, /^\{"uid":"","allowed":false/);
});

function customResource(kind: string, name: string, spec: Record<string, unknown>): string {
  return `${JSON.stringify({ apiVersion: 'policies.kubewarden.io/v1', kind, metadata: { name }, spec })}\n`;
}

test('YAML files: one line per policy, in order, up to the first that cannot be asked', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const good = customResource('ClusterAdmissionPolicy', 'one', { module, mutating: true });
  const bad = customResource('AdmissionPolicy', 'two', { module, settings: { valid: false, message: 'two is wrong' } });
  writeFileSync(join(cwd, 'two.yaml'), `${good}---\n${good}`);
  writeFileSync(join(cwd, 'bad.yml'), `${good}---\n${bad}---\n${good}`);
  const two = await kwctl(['run', '-r', 'review.json', '--settings-json', '{"behaviour":"reject"}', 'two.yaml'], {
    cwd,
  });
  t.match(two, { code: 0, stdout: line(true) + line(true) });
  t.match(
    two.stderr,
    /INFO kwctl::run: The settings given on the command line are ignored.*\n.* WARN kwctl::run: Multiple policies/,
  );
  const url = pathToFileURL(join(cwd, 'two.yaml')).href;
  t.match(
    await kwctl(['run', '-r', 'review.json', url], { cwd }),
    { code: 0, stdout: line(true) + line(true) },
    'file:// works',
  );
  const stopped = await kwctl(['run', '-r', 'review.json', 'bad.yml'], { cwd });
  t.match(stopped, { code: 1, stdout: line(true) });
  t.match(stopped.stderr, /Error: Provided settings are not valid: two is wrong\n$/);
});

test('YAML files: monitor mode, forbidden mutation, custom message', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const ask = async (spec: Record<string, unknown>): Promise<Outcome> => {
    const file = `${Object.keys(spec).join('-')}-${JSON.stringify(spec).length}.yaml`;
    writeFileSync(join(cwd, file), customResource('ClusterAdmissionPolicy', 'psp', { module, ...spec }));
    return kwctl(['run', '-r', 'review.json', file], { cwd });
  };
  const reject = { behaviour: 'reject', message: 'original', code: 403 };
  const monitored = await ask({ mode: 'monitor', settings: reject });
  t.equal(monitored.stdout, line(true));
  t.match(
    monitored.stderr,
    /INFO kwctl::run: policy evaluation \(monitor mode\) policy_id="psp" response=\{"uid":".*"allowed":false/,
  );
  t.equal((await ask({ mode: 'monitor', mutating: true, settings: { behaviour: 'mutate' } })).stdout, line(true));
  t.equal(
    (await ask({ mutating: false, settings: { behaviour: 'mutate' } })).stdout,
    line(
      false,
      ',"status":{"message":"Request rejected by policy psp. The policy attempted to mutate the request, but it is currently configured to not allow mutations."}',
    ),
  );
  t.match((await ask({ mutating: true, settings: { behaviour: 'mutate' } })).stdout, '"patchType":"JSONPatch"');
  t.equal(
    (await ask({ message: 'custom msg', settings: reject })).stdout,
    line(
      false,
      ',"status":{"message":"custom msg","details":{"causes":[{"reason":null,"message":"original","field":null}]},"code":403}',
    ),
  );
});

test('groups: allowed, denied with causes, mutation refused, expression and settings checked', async (t) => {
  const cwd = await folder(t, 'wapc-rust', 'rego-gatekeeper');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const gatekeeper = pathToFileURL(join(cwd, 'rego-gatekeeper.wasm')).href;
  let files = 0;
  const ask = async (expression: string, settings: Record<string, Record<string, unknown>>): Promise<Outcome> => {
    const policies = Object.fromEntries(
      Object.entries(settings).map(([name, one]) => [name, { module, settings: one }]),
    );
    if ('rego' in policies) policies['rego'] = { ...policies['rego'], module: gatekeeper };
    const file = `group-${++files}.yaml`;
    writeFileSync(
      join(cwd, file),
      customResource('ClusterAdmissionPolicyGroup', 'g1', { expression, message: 'group says no', policies }),
    );
    return kwctl(['run', '-r', 'review.json', file], { cwd });
  };
  const no = { behaviour: 'reject', message: 'member says no' };
  t.equal((await ask('yes() && true', { yes: {} })).stdout, line(true));
  t.equal((await ask('yes() && rego()', { yes: {}, rego: {} })).stdout, line(true), 'modes may differ');
  t.equal(
    (await ask('yes() && no()', { yes: {}, no })).stdout,
    line(
      false,
      ',"status":{"message":"group says no","details":{"causes":[{"reason":null,"message":"member says no","field":"spec.policies.no"}]}}',
    ),
  );
  t.equal((await ask('!yes()', { yes: {} })).stdout, line(false, ',"status":{"message":"group says no","details":{}}'));
  t.match((await ask('m()', { m: { behaviour: 'mutate' } })).stdout, 'mutation is not allowed inside of policy group');
  const nope = await ask('nope()', { yes: {} });
  t.match(nope, {
    code: 1,
    stdout: '',
    stderr: 'Error: Provided settings are not valid: g1: Function not found: nope () (line 1, position 1)\n',
  });
  t.match(await ask('yes() &&', { yes: {} }), {
    code: 1,
    stderr: /^Error: Provided settings are not valid: g1: Syntax error: /,
  });
  const wrong = { valid: false, message: 'bad' };
  t.match(await ask('a() && b()', { a: wrong, b: wrong }), {
    code: 1,
    stderr:
      'Error: Provided settings are not valid: g1/a: settings not valid: Policy settings are invalid: bad, g1/b: settings not valid: Policy settings are invalid: bad\n',
  });
});

const GET = '{"api_version":"v1","kind":"Namespace","name":"default","disable_cache":false}';
const EXCHANGE = `- type: Exchange
  request: |
    !KubernetesGetResource
    api_version: v1
    kind: Namespace
    name: default
    namespace: null
    disable_cache: false
    field_masks: null
  response:
    type: Success
    payload: '{"metadata":{"name":"default"}}'
`;

test('replay: answered, mismatched, exhausted, left over, denied before', async (t) => {
  const cwd = await folder(t);
  const resources = [{ apiVersion: 'v1', kind: 'Namespace' }];
  writeFileSync(
    join(cwd, 'p.wasm'),
    withMetadata(await guestModule('wapc-rust'), { contextAwareResources: resources }),
  );
  writeFileSync(join(cwd, 's.yml'), EXCHANGE);
  writeFileSync(join(cwd, 'more.yml'), EXCHANGE + EXCHANGE);
  writeFileSync(join(cwd, 'empty.yml'), '');
  const settings = (payload: string): string =>
    JSON.stringify({ behaviour: 'host-call', namespace: 'kubernetes', operation: 'get_resource', payload });
  const ask = async (session: string, more: string[] = ['--allow-context-aware'], payload = GET): Promise<Outcome> =>
    kwctl(
      [
        'run',
        '-r',
        'review.json',
        '--settings-json',
        settings(payload),
        '--replay-host-capabilities-interactions',
        session,
        ...more,
        'p.wasm',
      ],
      { cwd },
    );
  const message = ({ stdout }: Outcome): unknown =>
    (JSON.parse(stdout) as { status: { message: string } }).status.message;

  const answered = await ask('s.yml');
  t.equal(message(answered), '{"metadata":{"name":"default"}}');
  t.match(
    answered.stderr,
    /INFO kwctl::callback_handler: host capabilities proxy enabled with replay mode session_file="s\.yml"/,
  );
  t.notMatch(answered.stderr, /have not been replayed/);
  t.match(
    (await ask('more.yml')).stderr,
    /WARN kwctl::callback_handler: Some of the recorded exchanges have not been replayed exchanges=\[KubernetesGetResource \{ api_version: "v1"/,
  );
  t.match(message(await ask('empty.yml')), /Callback evaluation failure: the list of recorded responses is empty$/);
  t.match(
    message(await ask('s.yml', ['--allow-context-aware'], GET.replace('default', 'other'))),
    /Callback evaluation failure: Replay error: unexpected request\. Was expecting KubernetesGetResource \{ .*name: "default".* \}, got KubernetesGetResource \{ .*name: "other", namespace: None, disable_cache: false, field_masks: None \} instead$/,
  );
  const denied = await ask('s.yml', []);
  t.match(
    message(denied),
    /Policy has not been granted access to Kubernetes v1\/Namespace resources\. The violation has been reported\.$/,
  );
  t.match(
    denied.stderr,
    /WARN kwctl::run: Policy requires access to Kubernetes resources[^]*ERROR .*has not been granted access/,
  );
  const gated = await ask('s.yml', ['--allow-context-aware', '--allowed-host-capabilities', 'oci/*', '--']);
  t.match(message(gated), /has not been granted access to the 'kubernetes\/get_resource' host capability/);
  const none = await ask('s.yml', ['--allow-context-aware', '--allowed-host-capabilities', '--disable-wasmtime-cache']);
  t.match(message(none), /has not been granted access to the 'kubernetes/, 'no value denies all');

  const live = await kwctl(['run', '-r', 'review.json', '--allow-context-aware', 'p.wasm'], { cwd });
  t.match(live, { code: 1, stdout: '', stderr: /this release does not connect to clusters/ });
});

test('a session that was recorded replays to the same stdout, over several documents too', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const module = pathToFileURL(join(cwd, 'wapc-rust.wasm')).href;
  const settings = {
    behaviour: 'host-call',
    namespace: 'net',
    operation: 'v1/dns_lookup_host',
    payload: '"127.0.0.1"',
  };
  const refused = { ...settings, namespace: 'oci', operation: 'v1/manifest_digest', payload: '"img"' };
  writeFileSync(join(cwd, 'one.yaml'), customResource('ClusterAdmissionPolicy', 'one', { module, settings }));
  writeFileSync(
    join(cwd, 'two.yaml'),
    `${customResource('ClusterAdmissionPolicy', 'one', { module, settings })}---\n${customResource('ClusterAdmissionPolicy', 'two', { module, settings: refused })}`,
  );
  const run = ['run', '-r', 'review.json'];
  const recorded = await kwctl([...run, '--record-host-capabilities-interactions', 'rec.yml', 'one.yaml'], { cwd });
  t.match(recorded, {
    code: 0,
    stderr: /INFO kwctl::callback_handler: Context aware session saved to file destination="rec\.yml"/,
  });
  t.equal(
    readFileSync(join(cwd, 'rec.yml'), 'utf8'),
    `- type: Exchange\n  request: |\n    !DNSLookupHost\n    host: 127.0.0.1\n  response:\n    type: Success\n    payload: '{"ips":["127.0.0.1"]}'\n`,
  );
  const replayed = await kwctl([...run, '--replay-host-capabilities-interactions', 'rec.yml', 'one.yaml'], { cwd });
  t.equal(replayed.stdout, recorded.stdout);

  await kwctl([...run, '--record-host-capabilities-interactions', 'both.yml', 'two.yaml'], { cwd });
  const both = readFileSync(join(cwd, 'both.yml'), 'utf8');
  t.match(
    both,
    /!DNSLookupHost[^]*!OciManifestDigest\n {4}image: img\n {2}response:\n {4}type: Error\n {4}message: image lookups are not available/,
  );
  const denied = [
    ...run,
    '--record-host-capabilities-interactions',
    'denied.yml',
    '--allowed-host-capabilities',
    '--',
    'one.yaml',
  ];
  t.equal((await kwctl(denied, { cwd })).code, 0);
  t.equal(readFileSync(join(cwd, 'denied.yml'), 'utf8'), '[]\n', 'denied calls are not recorded');
  const unwritable = [...run, '--record-host-capabilities-interactions', 'no/such/dir.yml', 'one.yaml'];
  t.match(await kwctl(unwritable, { cwd }), {
    code: 0,
    stdout: recorded.stdout,
    stderr: /ERROR kwctl::callback_handler: Cannot save/,
  });
});

test('settings are never logged, guests cannot write to the terminal', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const log = (payload: unknown): string =>
    JSON.stringify({
      behaviour: 'host-call',
      namespace: 'tracing',
      operation: 'log',
      payload: JSON.stringify(payload),
      secret: 'hunter2',
    });
  const ask = async (payload: unknown, env: Record<string, string> = {}): Promise<Outcome> =>
    kwctl(['run', '-r', 'review.json', '--settings-json', log(payload), 'wapc-rust.wasm'], { cwd, env });
  const { stderr } = await ask({ level: 'WARNING', message: 'clear \u001b[2J screen', line: 7 });
  t.match(
    stderr,
    /Z {2}WARN policy\{id=policy-from-cli\}: policy_log: clear \\u\{1b\}\[2J screen data=\{"line":7\}\n$/,
  );
  t.notMatch(stderr, /hunter2/);
  t.match((await ask({ level: 'loud' })).stderr, /ERROR .*policy_log: Cannot log event/);
  t.equal((await ask({ level: 'debug', message: 'x' })).stderr, '', 'debug is not shown');
  t.match(
    (await ask({ level: 'debug', message: 'x' }, { RUST_LOG: 'policy_log=debug' })).stderr,
    /DEBUG .*policy_log: x/,
  );
  t.equal((await ask({ level: 'error', message: 'x' }, { RUST_LOG: 'policy_log=off' })).stderr, '');
  const verbose = await kwctl(
    ['-v', 'run', '-r', 'review.json', '--settings-json', log({ level: 'debug', message: 'x' }), 'wapc-rust.wasm'],
    { cwd },
  );
  t.match(verbose.stderr, /DEBUG .*policy_log: x/);
});

test('policies that loop in their settings, or leak, end at their limits', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const ask = async (behaviour: string): Promise<Outcome> =>
    kwctl(
      [
        'run',
        '-r',
        'review.json',
        '--timeout',
        '0.5',
        '--settings-json',
        `{"behaviour":"${behaviour}"}`,
        'wapc-rust.wasm',
      ],
      { cwd },
    );
  t.match(await ask('loop-settings'), {
    code: 1,
    stdout: '',
    stderr: /^Error: Provided settings are not valid: .*exceeded the allowed execution time/,
  });
  t.match(await ask('trap-settings'), {
    code: 1,
    stdout: '',
    stderr: /\nError: Provided settings are not valid: Error invoking settings/,
  });
  t.match(await ask('leak'), { code: 0, stdout: line(true) });
  t.match(await ask('bad-response'), {
    code: 0,
    stdout: /"allowed":false,"status":\{"message":"internal server error: .*","code":500\}/,
  });
});
