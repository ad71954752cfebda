import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildPolicyFolder, defaultCacheDir } from '@portcullis/sdk/build';
import { admissionRequest, evaluateBoth, readExamples, validateSettings } from '@portcullis/sdk/testing';
import type { EvaluationOptions } from '@portcullis/sdk/testing';
import { test } from 'tap';
import { policy } from '../src/policy.ts';

const folder = fileURLToPath(new URL('..', import.meta.url));
const { module } = await buildPolicyFolder({ folder, cacheDir: defaultCacheDir(process.env) });

/** Every verdict is asked of the source and of the module built from it. */
const evaluate = (options: EvaluationOptions) => evaluateBoth(policy, module, options);
const fixture = (name: string) => readFile(new URL(`../fixtures/${name}.json`, import.meta.url), 'utf8');

const object = (metadata: object | null) => admissionRequest({ apiVersion: 'v1', kind: 'ConfigMap', metadata });
const settings = { labels: { app: {}, team: { pattern: 'team-?*', default: 'team-none' } } };

test('validate accepts an object that has what is asked for, without a mutation', (t) => {
  const result = evaluate({ request: object({ labels: { app: '', team: 'team-a' } }), settings });
  t.match(result, { accepted: true, mutatedObject: undefined });
  t.end();
});

test('validate adds defaults to labels, and makes the labels where there are none', async (t) => {
  const result = evaluate({ request: object({ labels: { app: 'web' } }), settings });
  t.same(result.mutatedObject, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { labels: { app: 'web', team: 'team-none' } },
  });
  const onlyDefaults = { labels: { team: { default: 'x' } } };
  for (const metadata of [{}, { labels: null }, null]) {
    t.same(evaluate({ request: object(metadata), settings: onlyDefaults }).mutatedObject, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { labels: { team: 'x' } },
    });
  }
});

test('validate denies with all problems in one message, and then adds nothing', (t) => {
  const result = evaluate({ request: object({ labels: { team: 'other' } }), settings });
  t.match(result, {
    accepted: false,
    message: 'label "app" is missing; label "team" is "other", expected "team-?*"',
    mutatedObject: undefined,
  });
  t.match(evaluate({ request: object({}), settings }), { accepted: false, mutatedObject: undefined });
  t.end();
});

test('validate keeps the rest of a recorded object as it was', async (t) => {
  const text = await fixture('pod-create');
  const result = evaluate({ request: text, settings: { labels: { owner: { default: 'nobody' } } } });
  const { request } = JSON.parse(text) as { request: { object: { metadata: { labels: Record<string, string> } } } };
  request.object.metadata.labels['owner'] = 'nobody';
  t.same(result.mutatedObject, request.object);
});

test('a mutation keeps integers beyond 2^53 and the spelling of fractions', (t) => {
  const request =
    '{"uid":"u","operation":"CREATE","kind":{"group":"example.com","version":"v1","kind":"Widget"},' +
    '"object":{"metadata":{"generation":9007199254740993},"spec":{"ratio":1.10,"one":1.0,"most":18446744073709551615}}}';
  const { responseText } = evaluate({ request, settings: { labels: { a: { default: 'b' } } } });
  t.equal(
    responseText,
    '{"accepted":true,"mutated_object":{"metadata":{"generation":9007199254740993,"labels":{"a":"b"}},' +
      '"spec":{"most":18446744073709551615,"one":1.0,"ratio":1.1}}}',
  );
  t.end();
});

test('validate accepts deletions and subresources', async (t) => {
  for (const name of ['pod-delete', 'deployment-scale']) {
    t.equal(evaluate({ request: await fixture(name), settings: { labels: { missing: {} } } }).accepted, true, name);
  }
});

test('a label named like a property of every object does not count as present', (t) => {
  const required = { labels: { constructor: {}, toString: {} } };
  t.equal(
    evaluate({ request: object({ labels: {} }), settings: required }).message,
    'label "constructor" is missing; label "toString" is missing',
  );
  t.end();
});

test('settings: keys, values, patterns and defaults are checked', (t) => {
  const cases: [settings: unknown, message: RegExp][] = [
    [{}, /^settings\.labels: is required$/],
    [{ labels: {} }, /^settings\.labels: must have at least 1 item$/],
    [{ labels: { 'a b': {} } }, /not valid as label keys: "a b"/],
    [{ labels: { 'Example.com/x': {} } }, /not valid as label keys/],
    [{ labels: { 'a/b/c': {} } }, /not valid as label keys/],
    [{ labels: { a: { default: 'not valid' } } }, /^settings\.labels\.a\.default: must be a valid label value$/],
    [{ labels: { a: { pattern: 'x*', default: 'y' } } }, /^settings\.labels\.a: the default must fit the pattern$/],
    [{ labels: { 'x.io/a': { patern: 'x' } } }, /^settings\.labels\["x\.io\/a"\]\.patern: unknown key/],
    [{ labels: { a: { pattern: '' } } }, /^settings\.labels\.a\.pattern: must not be empty$/],
  ];
  for (const [value, message] of cases) t.match(validateSettings(module, value), { valid: false, message });
  const plain = { labels: { 'app.kubernetes.io/name': { pattern: 'a*', default: 'abc' }, b: null } };
  t.same(validateSettings(module, plain), { valid: true }, 'a key without a value only asks for the label');
  t.same(validateSettings(module, settings), { valid: true });
  t.end();
});

test('a pattern that makes regular expressions hang is answered at once', (t) => {
  const slow = { labels: { a: { pattern: '*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b' } } };
  const start = performance.now();
  t.equal(evaluate({ request: object({ labels: { a: 'a'.repeat(63) } }), settings: slow }).accepted, false);
  t.ok(performance.now() - start < 1000);
  t.end();
});

test('values that can be no labels are not matched, and not repeated in the message', (t) => {
  const labels = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`l${index}`, 'a'.repeat(20_000)]));
  const slow = Object.fromEntries(Object.keys(labels).map((key) => [key, { pattern: '*a'.repeat(30) }]));
  const { accepted, message = '' } = evaluate({ request: object({ labels }), settings: { labels: slow } });
  t.equal(accepted, false);
  t.match(message, /^label "l0" has more than 63 characters; label "l1" /);
  t.ok(message.length < 10_000);
  t.end();
});

test('the examples of the README are true', async (t) => {
  for (const example of readExamples(await readFile(`${folder}/README.md`, 'utf8'))) {
    const request = admissionRequest(example.object as { apiVersion: string; kind: string });
    const result = evaluate({ request, settings: example.settings });
    t.match(result, { accepted: example.accepted, message: example.message });
    t.same(result.mutatedObject, example.mutatedObject);
  }
});
