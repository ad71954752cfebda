import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { folder, kwctl, line, REVIEW, UID, withMetadata, type Outcome } from '../../test/kwctl-process.ts';

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
    [[...run, 'none.wasm'], /^Error: Cannot find policy with uri: none\.wasm/],
    [[...run, ''], /^Error: Cannot find policy with uri: /],
    [[...run, 'localhost:1/a/b:v1'], /^Error: Fail to interact with OCI registry: /],
    [[...run, 'registry://localhost:1/a/b:v1'], /^Error: Fail to interact with OCI registry: /],
    [[...run, 'https://localhost:1/a.wasm'], /^Error: .*https:\/\/localhost:1\/a\.wasm/],
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
    [
      [...run, '-s', 'none.yml', 'wapc-rust.wasm'],
      /^Error: Cannot open settings file none\.yml: No such file or directory \(os error 2\)$/m,
    ],
    [[...run, '-e', 'opa', 'wapc-rust.wasm'], /^Error: The policy has not been created with Rego/],
    [
      [...run, '--allowed-host-capabilities', 'oci*', '--', 'wapc-rust.wasm'],
      /^Error: Invalid host capabilities pattern: invalid pattern "oci\*": wildcard/,
    ],
    [
      [...run, '--allowed-host-capabilities=', 'wapc-rust.wasm'],
      /^Error: Invalid host capabilities pattern: .*pattern must not be empty/,
    ],
    [[...run, '--sources-path', 's.yml', 'wapc-rust.wasm'], /^Error: .*s\.yml.*No such file/],
    [[...run, '-k', 'a.pub', 'wapc-rust.wasm'], /^Error: could not read file a\.pub: .*No such file or directory/],
    [
      [...run, '--github-owner', 'kubewarden', 'wapc-rust.wasm'],
      /^Error: Policy file:\/\/\S+wapc-rust\.wasm cannot be validated\nInvalid OCI image reference: invalid reference format/,
    ],
    [
      [...run, '--github-owner', 'kubewarden', '--sigstore-trust-config', 'none.json', 'wapc-rust.wasm'],
      /^Error: Error building Sigstore trust root: could not read Sigstore PKI file none\.json: Os .*\. Note that verification options were provided, so a Sigstore trust root is required\.$/m,
    ],
    [[...run, '--github-repo', 'kubewarden', 'wapc-rust.wasm'], /^Error: .*github/i],
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
  const home = process.cwd();
  process.chdir(cwd);
  t.teardown(() => process.chdir(home));
  for (const [args, stderr] of cases) {
    const outcome = await kwctlHere(cwd, args);
    t.match(outcome, { code: 1, stdout: '', stderr }, args.slice(1).join(' '));
    t.notMatch(outcome.stderr, /\n {4}at /, `no stack trace: ${args.join(' ')}`);
  }
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
