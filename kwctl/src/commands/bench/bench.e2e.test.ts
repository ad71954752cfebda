import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestModule, policyModule } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { folder, kwctl, REVIEW, type Outcome } from '../../test/kwctl-process.ts';

const QUICK = ['--warm-up-time', '0', '--measurement-time=0', '--num-samples', '10', '--num-resamples', '100'];
const TIME = String.raw`\d+\.\d\d(?:ns|µs|ms|s)`;
const COUNT = String.raw`\d+\.\d(?: \w+)?`;

function linesOf(label: string): string {
  return [
    `${label} warming up for ${TIME}`,
    `${label} mean warm up execution time ${TIME} running ${COUNT} iterations`,
    String.raw`${label} \[${COUNT} iterations in ${TIME} with 10\.0 samples\]:`,
    String.raw`\telapsed\t\[min mean max\]:\t\[${TIME} ${TIME} ${TIME}\] \(sample data: med = ${TIME}, var = ${TIME}², stddev = ${TIME}\)`,
    String.raw`\tmean\t\[low estimate high\]:\t\[${TIME} ${TIME} ${TIME}\] \(95% confidence\)`,
    String.raw`\tmedian\t\[low estimate high\]:\t\[${TIME} ${TIME} ${TIME}\] \(95% confidence\)`,
    '',
  ].join('\n');
}

interface Function {
  readonly function: string;
  readonly samples: number;
  readonly minNs: number;
  readonly maxNs: number;
  readonly meanNs: { readonly value: number; readonly low: number; readonly high: number };
  readonly samplesNs?: readonly number[];
}
interface Results {
  readonly policies: readonly {
    readonly policy: string;
    readonly module: string;
    readonly functions: readonly Function[];
  }[];
}

test('bench: the lines of both functions, in a pipe without colour', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const outcome = await kwctl(['bench', '-r', 'review.json', ...QUICK, 'wapc-rust.wasm'], { cwd });
  t.match(outcome, { code: 0, stderr: '' });
  t.match(outcome.stdout, new RegExp(`^${linesOf('validate_settings')}${linesOf('validate')}$`));
  t.match(await kwctl(['bench', '-r', 'review.json', '--warm-up-time', '-1', 'wapc-rust.wasm'], { cwd }), {
    code: 2,
    stdout: '',
  });
});

test('bench --num-samples takes so many samples, --json tells all, --dump-results-to-disk keeps every sample', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const args = [
    'bench',
    '-r',
    join(cwd, 'review.json'),
    ...QUICK,
    '--json',
    '--dump-results-to-disk',
    join(cwd, 'wapc-rust.wasm'),
  ];
  const { code, stdout, stderr } = await kwctlHere(cwd, args);
  t.equal(code, 0, stderr);
  const { policies } = JSON.parse(stdout) as Results;
  t.match(policies, [{ policy: 'policy-from-cli', module: /^file:\/\/.*wapc-rust\.wasm$/ }]);
  t.same(
    policies[0]?.functions.map((each) => each.function),
    ['validate_settings', 'validate'],
  );
  for (const { samples, minNs, maxNs, meanNs } of policies[0]?.functions ?? []) {
    t.equal(samples, 10);
    t.ok(
      minNs > 0 &&
        minNs <= meanNs.low &&
        meanNs.low <= meanNs.value &&
        meanNs.value <= meanNs.high &&
        meanNs.high <= maxNs,
    );
  }
  t.match(stderr, /INFO kwctl::bench: Benchmark results saved to file destination="/);
  const dumps = join(cwd, 'cache/kubewarden/kwctl/bench');
  const [name = ''] = readdirSync(dumps);
  const dumped = JSON.parse(readFileSync(join(dumps, name), 'utf8')) as Results;
  for (const { samplesNs = [] } of dumped.policies[0]?.functions ?? []) t.equal(samplesNs.length, 10);
  t.equal(
    (await kwctlHere(cwd, args.with(-2, '--dump-results-to-disk=yes'))).code,
    0,
    'with a value, as scripts had to write it',
  );
});

test('bench: a YAML file, policy by policy and member by member; WASI and Rego', async (t) => {
  const cwd = t.testdir({ 'review.json': Buffer.from(REVIEW), 'yes.wasm': Buffer.from(await policyModule()) });
  for (const guest of ['wasi-go', 'rego-opa'] as const)
    writeFileSync(join(cwd, `${guest}.wasm`), await guestModule(guest));
  writeFileSync(
    join(cwd, 'policies.yaml'),
    `
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: { name: one }
spec: { module: "file://${cwd}/yes.wasm" }
---
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicyGroup
metadata: { name: two }
spec:
  expression: a()
  message: no
  policies: { a: { module: "file://${cwd}/yes.wasm" } }
`,
  );
  const bench = (...words: string[]): Promise<Outcome> =>
    kwctlHere(cwd, ['bench', '-r', join(cwd, 'review.json'), ...QUICK, ...words]);
  const both = await bench(join(cwd, 'policies.yaml'));
  t.equal(both.code, 0, both.stderr);
  t.match(
    both.stdout,
    new RegExp(['one', 'two/a'].map((id) => linesOf(`${id} validate_settings`) + linesOf(`${id} validate`)).join('')),
  );
  t.match(await bench('-e', 'wasi', join(cwd, 'wasi-go.wasm')), { code: 0, stdout: /^validate warming up/m });
  t.match(await bench('-e', 'opa', join(cwd, 'rego-opa.wasm')), { code: 0, stdout: /^validate warming up/m });
});

test('bench ends with a clear word where there is nothing to measure', async (t: Test) => {
  const cwd = await folder(t, 'wapc-rust');
  mkdirSync(join(cwd, 'cache/kubewarden/kwctl'), { recursive: true });
  writeFileSync(join(cwd, 'cache/kubewarden/kwctl/bench'), 'in the way');
  const policy = join(cwd, 'wapc-rust.wasm');
  const bench = (behaviour: string, ...words: string[]): Promise<Outcome> =>
    kwctlHere(cwd, [
      'bench',
      '-r',
      join(cwd, 'review.json'),
      ...QUICK,
      '--settings-json',
      `{"behaviour":"${behaviour}"}`,
      ...words,
      policy,
    ]);
  const name = String.raw`policy-from-cli \(file:\/\/\S+wapc-rust\.wasm\)`;
  const cases: [string, string[], RegExp][] = [
    [
      'trap-settings',
      [],
      new RegExp(
        String.raw`^Error: \[Policy ${name}\] - \[Policy ${name}\] - provided settings are not valid: Error invoking`,
        'm',
      ),
    ],
    [
      'loop',
      ['--timeout', '0.3'],
      new RegExp(`^Error: cannot measure ${name}: one call took longer than 0\\.3 seconds`, 'm'),
    ],
    ['trap', [], new RegExp(`^Error: cannot measure ${name}: `, 'm')],
    ['accept', ['--dump-results-to-disk'], /^Error: cannot write the results to .*bench.*: .*(exists|directory)/m],
    ['accept', ['--warm-up-time=1s'], /^error: the argument '--warm-up-time <SECONDS>' cannot be used multiple times/],
  ];
  for (const [behaviour, words, stderr] of cases) {
    const outcome = await bench(behaviour, ...words);
    t.match(outcome, { code: stderr.source.startsWith('^error') ? 2 : 1, stderr }, `${behaviour} ${words.join(' ')}`);
    t.notMatch(outcome.stderr, /\n {4}at /);
  }
});
