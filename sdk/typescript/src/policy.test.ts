import { test } from 'tap';
import {
  accept,
  containersOf,
  definePolicy,
  defineRawPolicy,
  deny,
  mutate,
  podSpecOf,
  podSpecPath,
  schema,
  withPodSpec,
} from './index.ts';
import type { AdmissionRequest, Infer, Pod, PolicyContext, Verdict } from './index.ts';
import { matchesGlob, matchesPathGlob } from './index.ts';
import { admissionRequest, evaluatePolicy, readExamples, validateSettings } from './testing.ts';

/** A policy that answers what `validate` says. */
const answering = (validate: (request: AdmissionRequest, context: PolicyContext<unknown>) => Verdict) =>
  definePolicy({ validate });

/** Mutates with what `change` makes of the object; answers the JSON the host receives as mutated object. */
function mutated(object: string, change: (object: never) => unknown): string {
  const policy = answering((request) => mutate(change(request.object as never)));
  const { responseText } = evaluatePolicy(policy, { request: `{"object":${object}}` });
  return responseText.slice('{"accepted":true,"mutated_object":'.length, -1);
}

test('types: settings follow from the schema and the object from the annotation', (t) => {
  const settings = schema.object({
    names: schema.list(schema.string()),
    mode: schema.oneOf('a', 'b').default('a'),
    limit: schema.integer().optional(),
    labels: schema.record(schema.boolean()),
  });
  type Settings = Infer<typeof settings>;
  const value: Settings = { names: ['x'], mode: 'b', labels: new Map([['x', true]]) };
  const limit: number | undefined = value.limit;
  t.equal(limit, undefined);
  const policy = definePolicy({
    settings,
    validate(request: AdmissionRequest<Pod>, context) {
      const mode: 'a' | 'b' = context.settings.mode;
      // @ts-expect-error names is a list of strings
      const wrong: readonly number[] = context.settings.names;
      return deny(`${mode} ${wrong.length} ${request.object?.spec?.containers[0]?.name}`);
    },
  });
  const pod = admissionRequest({ apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ name: 'c' }] } });
  t.equal(evaluatePolicy(policy, { request: pod, settings: { names: ['x', 'y'], labels: {} } }).message, 'a 2 c');
  t.end();
});

test('verdicts become the response a host expects', (t) => {
  const text = (verdict: Verdict) =>
    evaluatePolicy(
      answering(() => verdict),
      { request: {} },
    ).responseText;
  t.equal(text(accept()), '{"accepted":true}');
  t.equal(
    text(accept({ warnings: ['w'], auditAnnotations: { k: 'v' } })),
    '{"accepted":true,"warnings":["w"],"audit_annotations":{"k":"v"}}',
  );
  t.equal(text(deny('no')), '{"accepted":false,"message":"no"}');
  t.equal(text(deny('', { code: 403 })), '{"accepted":false,"message":"","code":403}');
  t.equal(text(mutate({ a: 1 }, { warnings: ['w'] })), '{"accepted":true,"mutated_object":{"a":1},"warnings":["w"]}');
  t.end();
});

test('a raw policy sees and replaces the whole request', (t) => {
  const policy = defineRawPolicy({
    settings: schema.object({ max: schema.integer() }),
    validate: (request: { count: number }, { settings }) =>
      request.count > settings.max ? mutate({ ...request, count: settings.max }) : accept(),
  });
  t.equal(evaluatePolicy(policy, { request: { count: 1 }, settings: { max: 2 } }).responseText, '{"accepted":true}');
  const { responseText } = evaluatePolicy(policy, {
    request: '{"big":9007199254740993,"count":3}',
    settings: { max: 2 },
  });
  t.equal(responseText, '{"accepted":true,"mutated_object":{"big":9007199254740993,"count":2}}');
  t.end();
});

test('settings that do not fit are a failure of validate, and the problem of validate_settings', (t) => {
  const policy = definePolicy({ settings: schema.object({ a: schema.string() }), validate: () => accept() });
  t.throws(() => evaluatePolicy(policy, { request: {} }), {
    name: 'SettingsError',
    message: 'settings.a: is required',
  });
  t.same(validateSettings(policy, {}), { valid: false, message: 'settings.a: is required' });
  t.same(
    validateSettings(
      answering(() => accept()),
      { any: 1 },
    ),
    {
      valid: false,
      message: 'settings.any: unknown key, the policy has no settings here',
    },
  );
  t.end();
});

test('numbers that were not touched keep their text through every way to make the object', (t) => {
  const object =
    '{"a":{"big":9007199254740993,"f":1.10},"list":[{"n":18446744073709551615},{"n":1.0}],"x":9007199254740992.0}';
  const canonical =
    '{"a":{"big":9007199254740993,"f":1.1},"list":[{"n":18446744073709551615},{"n":1.0}],"x":9007199254740992.0}';
  t.equal(
    mutated(object, (value) => value),
    canonical,
    'the same object',
  );
  t.equal(
    mutated(object, (value: object) => ({ ...value })),
    canonical,
    'a copy',
  );
  t.equal(
    mutated(object, (value) => JSON.parse(JSON.stringify(value)) as unknown),
    canonical,
    'a copy through JSON',
  );
  t.equal(
    mutated('{"list":[{"n":9007199254740993,"m":1}]}', (value: { list: object[] }) => ({
      list: [{ n: 1 }, ...value.list.map((item) => ({ ...item }))],
    })),
    '{"list":[{"n":1},{"m":1,"n":9007199254740993}]}',
    'moved and copied',
  );
  t.equal(
    mutated('{"a":1.0,"b":9007199254740993}', () => ({ a: 2, b: 5 })),
    '{"a":2,"b":5}',
    'changed',
  );
  t.equal(
    mutated('{"a":[1.0]}', () => ({ a: { 0: 1 } })),
    '{"a":{"0":1}}',
    'of another shape',
  );
  t.end();
});

test('a number over 2^53 that could be two is refused, not guessed', (t) => {
  const object = '{"a":9007199254740993,"b":9007199254740992}';
  t.equal(
    mutated(object, (value) => value),
    object,
  );
  t.throws(() => mutated(object, (value: { a: number }) => ({ moved: value.a })), {
    name: 'RangeError',
    message: /^mutate: the number at object\.moved .* could be 9007199254740993 or 9007199254740992/,
  });
  t.end();
});

test('own keys named __proto__ and toJSON forms survive a mutation', (t) => {
  const object = '{"__proto__":{"polluted":9007199254740993},"d":1}';
  t.equal(
    mutated(object, (value: object) => Object.assign(value, { d: new Date(0) })),
    '{"__proto__":{"polluted":9007199254740993},"d":"1970-01-01T00:00:00.000Z"}',
  );
  t.equal(({} as { polluted?: unknown }).polluted, undefined);
  t.end();
});

test('data that is called toJSON is data', (t) => {
  const object = '{"big":9007199254740993,"toJSON":"x"}';
  t.equal(
    mutated(object, (value) => value),
    object,
  );
  t.end();
});

test('what is not a verdict is refused', (t) => {
  for (const value of [undefined, null, true, {}, { kind: 'allow' }]) {
    t.throws(
      () =>
        evaluatePolicy(
          answering(() => value as never),
          { request: {} },
        ),
      /must return accept/,
    );
  }
  t.throws(() => evaluatePolicy(answering((async () => accept()) as never), { request: {} }), /no event loop/);
  t.end();
});

test('podSpecOf and withPodSpec know the place in every workload', (t) => {
  const spec = { containers: [{ name: 'a', image: 'x' }] };
  const template = { metadata: { labels: { l: 'v' } }, spec };
  const workloads: [object: { apiVersion: string; kind: string }, path: string][] = [
    [{ apiVersion: 'v1', kind: 'Pod', spec } as never, 'spec'],
    [{ apiVersion: 'v1', kind: 'PodTemplate', template } as never, 'template.spec'],
    [{ apiVersion: 'v1', kind: 'ReplicationController', spec: { template } } as never, 'spec.template.spec'],
    ...['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet'].map((kind): [never, string] => [
      { apiVersion: 'apps/v1', kind, spec: { replicas: 2, template } } as never,
      'spec.template.spec',
    ]),
    [{ apiVersion: 'batch/v1', kind: 'Job', spec: { template } } as never, 'spec.template.spec'],
    [
      {
        apiVersion: 'batch/v1',
        kind: 'CronJob',
        spec: { schedule: '* * * * *', jobTemplate: { spec: { template } } },
      } as never,
      'spec.jobTemplate.spec.template.spec',
    ],
  ];
  for (const [object, path] of workloads) {
    const request = admissionRequest(object);
    const before = JSON.stringify(object);
    t.same(podSpecOf(request), spec, object.kind);
    t.equal(podSpecPath(request), path);
    const changed = withPodSpec(request, { ...spec, hostNetwork: true });
    t.equal(JSON.stringify(changed), before.replace('"image":"x"}]', '"image":"x"}],"hostNetwork":true'), object.kind);
    t.equal(JSON.stringify(object), before, 'the original is not touched');
    t.same(podSpecOf(admissionRequest({ ...object, spec: null, template: null })), undefined, 'without a spec');
  }
  t.end();
});

test('podSpecOf: no object is no spec, another kind is an error', (t) => {
  const deleted: AdmissionRequest = {
    ...admissionRequest({ apiVersion: 'v1', kind: 'Pod' }, { operation: 'DELETE' }),
    object: undefined,
  };
  t.equal(podSpecOf(deleted), undefined);
  t.throws(() => withPodSpec(deleted, { containers: [] }), {
    name: 'UnsupportedKindError',
    message: /DELETE request has no object/,
  });
  for (const [apiVersion, kind] of [
    ['v1', 'Service'],
    ['example.com/v1', 'Deployment'],
    ['v1', 'toString'],
  ] as const) {
    t.throws(() => podSpecOf(admissionRequest({ apiVersion, kind })), {
      name: 'UnsupportedKindError',
      message: /has no PodSpec: expected one of Pod,/,
    });
  }
  t.same(
    containersOf({ containers: [{ name: 'a' }], initContainers: [{ name: 'b' }] }).map(({ description, index }) => [
      description,
      index,
    ]),
    [
      ['container "a"', 0],
      ['init container "b"', 0],
    ],
  );
  t.end();
});

test('globs match as a whole, in time bounded by their length', (t) => {
  const cases: [pattern: string, text: string, expected: boolean][] = [
    ['', '', true],
    ['*', '', true],
    ['a*', 'abc', true],
    ['a*c', 'abcd', false],
    ['*b*d', 'abcbd', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a.c', 'abc', false],
    ['[ab]', 'a', false],
    ['**', 'x', true],
  ];
  for (const [pattern, text, expected] of cases) t.equal(matchesGlob(pattern, text), expected, `${pattern} ${text}`);
  t.ok(matchesPathGlob(['a', '**', 'c'], ['a', 'c']));
  t.ok(matchesPathGlob(['**', 'c'], ['a', 'c', 'b', 'c']));
  t.notOk(matchesPathGlob(['a', '*'], ['a']));
  const start = performance.now();
  t.notOk(matchesGlob(`${'*a'.repeat(200)}b`, 'a'.repeat(5000)));
  t.ok(performance.now() - start < 1000);
  t.end();
});

test('readExamples refuses a README without examples, and examples it does not understand', (t) => {
  t.throws(() => readExamples('# policy\n\n```yaml\na: 1\n```\n'), /no example found/);
  t.throws(() => readExamples('\n```yaml example\nobject: {}\nacepted: true\n```\n'), /settings\.acepted: unknown key/);
  t.match(readExamples('\n```yaml example\nobject: {}\naccepted: true\n```\n'), [{ object: {}, accepted: true }]);
  t.end();
});
