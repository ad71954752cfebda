import { test } from 'tap';
import {
  encodeAdmissionRequest,
  jsonEquals,
  JsonNumber,
  parseAdmissionReview,
  parseJson,
  stringifyAdmissionResponse,
  stringifyJson,
  type AdmissionResponse,
  type ExecutionMode,
  type JsonValue,
} from '@portcullis/protocol';
import { admissionReview, type Random, randomFrom } from '@portcullis/testkit';
import { applyPolicyMode, type PolicyModeOptions } from './mode.ts';
import { createPatch, type PatchOperation } from './mutation.ts';
import { rejection } from './rejection.ts';
import { responseFromGatekeeper, responseFromOpa } from './rego-response.ts';
import { rawRequestUid, responseFromGuest } from './response.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function answer(text: string, object?: string, mode?: ExecutionMode): AdmissionResponse {
  const request = { uid: 'u', ...(object && { object: parseJson(object) }), ...(mode && { mode }) };
  return responseFromGuest({ kind: 'response', bytes: encode(text) }, request);
}

const line = (response: AdmissionResponse): string => stringifyAdmissionResponse(response);
const patchOf = (response: AdmissionResponse): string => Buffer.from(response.patch ?? '', 'base64').toString();
const patchText = (before: string, after: string): string =>
  patchOf(answer(`{"accepted":true,"mutated_object":${after}}`, before));

test('accept and reject are written as other servers write them', async (t) => {
  t.equal(line(answer('{"accepted":true}')), '{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}');
  t.equal(
    line(answer('{"accepted":false,"message":"nope","code":401}')),
    '{"uid":"u","allowed":false,"status":{"message":"nope","code":401},"auditAnnotations":null,"warnings":null}',
  );
  t.same(answer('{"accepted":false}').status, undefined, 'neither message nor code: no status');
  t.same(answer('{"accepted":true,"message":""}').status, { message: '' }, 'an empty message counts, accepted or not');
  t.same(answer('{"accepted":true,"code":200}').status, { code: 200 });
  const full = answer('{"accepted":false,"warnings":["w"],"audit_annotations":{"k":"v"}}');
  t.same(full.warnings, ['w']);
  t.same({ ...full.auditAnnotations }, { k: 'v' });
  t.equal(
    line(answer('{"accepted":true,"warnings":[],"audit_annotations":{}}')),
    '{"uid":"u","allowed":true,"auditAnnotations":{},"warnings":[]}',
  );
});

test('an answer that cannot be read is refused with what is wrong', async (t) => {
  t.equal(
    line(answer('{"message":"none"}')),
    '{"uid":"u","allowed":false,"status":{"message":"internal server error: invalid response from policy: ' +
      'missing field `accepted` at line 1 column 18","code":500},"auditAnnotations":null,"warnings":null}',
  );
  t.match(
    answer('{"accepted":true,"code":70000}', undefined, 'wasi').status?.message,
    /^internal server error: Cannot deserialize policy validation response: invalid value: integer `70000`, expected u16/,
  );
  t.match(
    answer('', undefined, 'component').status?.message,
    /^internal server error: invalid response from policy: EOF/,
  );
  t.equal(answer('{"accepted":true,"accepted":false}').allowed, false, 'duplicate keys');
});

test('a guest that failed is a refusal with its text', async (t) => {
  const message = 'internal server error: Guest call failure: boom';
  t.same(responseFromGuest({ kind: 'failure', reason: 'trap', message }, { uid: 'u' }), rejection('u', message, 500));
  t.same(responseFromGuest({ kind: 'failure', reason: 'exit', message: '' }, { uid: 'u' }).status, {
    message: '',
    code: 500,
  });
});

test('a mutation becomes a patch, even beside a rejection', async (t) => {
  const response = answer(
    '{"accepted":true,"mutated_object":{"kind":"Pod","metadata":{"labels":{"a":"b"}},"spec":{}}}',
    '{"kind":"Pod","spec":{}}',
  );
  t.equal(response.patchType, 'JSONPatch');
  t.equal(patchOf(response), '[{"op":"add","path":"/metadata","value":{"labels":{"a":"b"}}}]');
  t.ok(answer('{"accepted":false,"mutated_object":[]}', '{}').patch);
  t.notOk(
    'patch' in answer('{"accepted":true,"mutated_object":{"b":1,"a":[]}}', '{"a":[],"b":1}'),
    'same object, no patch',
  );
  t.notOk('patch' in answer('{"accepted":true,"mutated_object":null}', '{}'), 'null is no mutation');
  t.equal(patchText('{}', 'false'), '[{"op":"replace","path":"","value":false}]', 'false is one');
});

test('the object is not looked at unless the policy mutates it', async (t) => {
  const request = {
    uid: 'u',
    get object(): JsonValue {
      throw new Error('parsed in vain');
    },
  };
  const asked = (text: string): AdmissionResponse =>
    responseFromGuest({ kind: 'response', bytes: encode(text) }, request);
  t.equal(asked('{"accepted":true}').allowed, true);
  t.throws(() => asked('{"accepted":true,"mutated_object":{}}'), /parsed in vain/);
});

test('a mutation without an object, as on DELETE, is refused', async (t) => {
  t.equal(
    line(
      answer(
        '{"accepted":true,"message":"own","code":1,"warnings":["w"],"audit_annotations":{"a":"b"},"mutated_object":{}}',
      ),
    ),
    '{"uid":"u","allowed":false,"status":{"message":"Incoming object is null, which happens only with DELETE operations, ' +
      'but the policy is attempting a mutation. This is not allowed"},"auditAnnotations":null,"warnings":null}',
  );
});

test('a raw request carries its own uid, if it has one', async (t) => {
  t.equal(rawRequestUid(parseJson('{"uid":"x"}')), 'x');
  for (const text of ['{"uid":1}', '{}', 'null', '"uid"', '["uid"]']) t.equal(rawRequestUid(parseJson(text)), '', text);
});

test('patches have the operations and the order others produce', async (t) => {
  const cases: [before: string, after: string, patch: string][] = [
    ['1', '1', ''],
    ['1', '1.0', '[{"op":"replace","path":"","value":1.0}]'],
    ['1e3', '1000.0', ''],
    ['{"a":1}', '[1]', '[{"op":"replace","path":"","value":[1]}]'],
    ['{"a":1}', '{"a":null}', '[{"op":"replace","path":"/a","value":null}]'],
    ['{"a":null}', '{}', '[{"op":"remove","path":"/a"}]'],
    [
      '{"z":1,"y":2,"k":3}',
      '{"b":1,"a":2,"k":4}',
      '[{"op":"add","path":"/a","value":2},{"op":"add","path":"/b","value":1},{"op":"replace","path":"/k","value":4},{"op":"remove","path":"/y"},{"op":"remove","path":"/z"}]',
    ],
    [
      '[1,2,3,4]',
      '[1,9]',
      '[{"op":"replace","path":"/1","value":9},{"op":"remove","path":"/2"},{"op":"remove","path":"/2"}]',
    ],
    [
      '[1]',
      '[1,2,{"b":1,"a":2}]',
      '[{"op":"add","path":"/1","value":2},{"op":"add","path":"/2","value":{"a":2,"b":1}}]',
    ],
    [
      '[{"n":"a"},{"n":"b"}]',
      '[{"n":"b"}]',
      '[{"op":"replace","path":"/0/n","value":"b"},{"op":"remove","path":"/1"}]',
    ],
    [
      '{"a/b":1,"c~d":{"~1":1}}',
      '{"a/b":2,"c~d":{"~1":2}}',
      '[{"op":"replace","path":"/a~1b","value":2},{"op":"replace","path":"/c~0d/~01","value":2}]',
    ],
    ['{"":{"":1}}', '{"":{"":2}}', '[{"op":"replace","path":"//","value":2}]'],
    ['{"é":1}', '{"é":"\\u2028"}', '[{"op":"replace","path":"/é","value":"\u2028"}]'],
    ['{"__proto__":{"x":1}}', '{"__proto__":{"x":2}}', '[{"op":"replace","path":"/__proto__/x","value":2}]'],
    ['{"n":9007199254740992}', '{"n":9007199254740993}', '[{"op":"replace","path":"/n","value":9007199254740993}]'],
  ];
  for (const [before, after, patch] of cases) t.equal(patchText(before, after), patch, `${before} to ${after}`);
});

test('random mutations: the patch turns the old into the new', async (t) => {
  const random = randomFrom(41);
  for (let round = 0; round < 3000; round++) {
    const before = randomValue(random, 4);
    const after = random(3) === 0 ? randomValue(random, 4) : alter(before, random);
    const operations = createPatch(before, after);
    if (!jsonEquals(apply(before, operations), after)) {
      t.fail(`${stringifyJson(before)} to ${stringifyJson(after)}: ${JSON.stringify(operations)}`);
    }
    if (operations.length === 0 && !jsonEquals(before, after)) t.fail('no patch for a difference');
  }
});

test('a patch that would grow beyond all bounds becomes one replacement', async (t) => {
  const key = 'k'.repeat(100_000);
  const items = (value: string): JsonValue => Array.from({ length: 50_000 }, () => value);
  const after: JsonValue = new Map([[key, items('b')]]);
  const operations = createPatch(new Map([[key, items('a')]]), after);
  t.equal(operations.length, 1);
  t.same({ ...operations[0], value: 0 }, { op: 'replace', path: '', value: 0 });
  t.ok(operations[0]?.op === 'replace' && operations[0].value === after);
});

test('a patch of a large object is made in linear time', async (t) => {
  const items = (tag: string): JsonValue =>
    Array.from({ length: 100_000 }, (_, i) => new Map([['name', `${tag}${i}`]]));
  const started = performance.now();
  t.equal(createPatch(items('a'), items('b')).length, 100_000);
  t.equal(createPatch(items('a'), []).length, 100_000);
  t.ok(performance.now() - started < 10_000);
});

const opa = (response: string): AdmissionResponse =>
  responseFromOpa(encode(`[{"result":{"response":${response}}}]`), 'u');

test('an OPA result is an admission response under the uid of the request', async (t) => {
  t.equal(
    line(opa('{"uid":"other","allowed":true}')),
    '{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}',
  );
  t.equal(
    line(
      opa(
        '{"uid":"","allowed":false,"status":{"message":"m","code":403,"details":{"causes":[{"message":"c"}]}},"warnings":["w"],"auditAnnotations":{"a":"b"},"extra":1}',
      ),
    ),
    '{"uid":"u","allowed":false,"status":{"message":"m","details":{"causes":[{"reason":null,"message":"c","field":null}]},"code":403},"auditAnnotations":{"a":"b"},"warnings":["w"]}',
  );
  t.equal(
    line(opa('{"uid":"","allowed":true,"patch":"W10=","patchType":"JSONPatch"}')),
    '{"uid":"u","allowed":true,"patchType":"JSONPatch","patch":"W10=","auditAnnotations":null,"warnings":null}',
  );
  t.equal(opa('{"uid":"","allowed":true,"patch":"W10="}').patchType, 'JSONPatch', 'a patch needs its type');
  t.notOk('patchType' in opa('{"uid":"","allowed":true,"patchType":"JSONPatch"}'), 'a type needs its patch');
});

test('an OPA result of another shape is refused', async (t) => {
  const message = (json: string): string | undefined => responseFromOpa(encode(json), 'u').status?.message;
  for (const json of ['[]', '[{}]', '[{"result":true}]', '[{"result":{"allow":true}}]']) {
    t.equal(message(json), 'internal server error: cannot interpret OPA policy result', json);
  }
  t.equal(opa('{"allowed":true}').status?.message, 'internal server error: missing field `uid`');
  t.match(opa('{"uid":"","allowed":true,"status":{"code":403.5}}').status, { code: 500, message: /expected u16$/ });
  t.match(message('{"result":1}'), /^internal server error: /);
  t.match(message('not json'), /^internal server error: expected ident/);
  t.match(message(`[${'['.repeat(200)}`), 'recursion limit exceeded');
});

test('free text in status.reason of an OPA policy passes, where the reference knows only the constants of Kubernetes', async (t) => {
  t.equal(opa('{"uid":"","allowed":false,"status":{"reason":"because I say so"}}').status?.reason, 'because I say so');
});

test('retry_after_seconds of an OPA policy comes out as retryAfterSeconds', async (t) => {
  for (const key of ['retry_after_seconds', 'retryAfterSeconds']) {
    const response = opa(`{"uid":"","allowed":false,"status":{"details":{"${key}":9}}}`);
    t.match(line(response), '"status":{"details":{"retryAfterSeconds":9}}', key);
  }
});

const gatekeeper = (json: string): AdmissionResponse => responseFromGatekeeper(encode(json), 'u');

test('Gatekeeper violations are joined, none allow', async (t) => {
  t.equal(
    line(gatekeeper('[{"result":[{"msg":"a"},{"msg":"b","details":{}}]}]')),
    '{"uid":"u","allowed":false,"status":{"message":"a, b"},"auditAnnotations":null,"warnings":null}',
  );
  t.same(gatekeeper('[{"result":[{}]}]').status, { message: '' }, 'a violation without text is one all the same');
  for (const json of ['[{"result":[]}]', '[]']) t.equal(gatekeeper(json).allowed, true, json);
});

test('a malformed Gatekeeper result refuses, where the reference lets the request pass', async (t) => {
  const malformed = [
    '[{"result":false}]',
    '[{"result":{}}]',
    '[{"result":[{"msg":1}]}]',
    '[{"result":["x"]}]',
    '[{"result":null}]',
    '[{}]',
    '[1]',
    '{}',
    'x',
    '',
  ];
  for (const json of malformed) t.match(gatekeeper(json), { allowed: false, status: { code: 500 } }, json);
});

test('Rego answers are told apart by the mode of the policy', async (t) => {
  t.equal(answer('[{"result":[]}]', undefined, 'gatekeeper').allowed, true);
  t.equal(
    answer('[{"result":[]}]', undefined, 'opa').allowed,
    false,
    'an OPA policy run as such cannot pass as Gatekeeper',
  );
});

const PROTECT: PolicyModeOptions = { id: 'p', mode: 'protect', allowedToMutate: false };
const DENIED: AdmissionResponse = {
  uid: 'u',
  allowed: false,
  status: { message: 'no', code: 403 },
  auditAnnotations: { a: 'b' },
  warnings: ['w'],
};
const PATCHED: AdmissionResponse = { ...DENIED, patchType: 'JSONPatch', patch: 'W10=' };

test('monitor mode accepts everything and keeps warnings and annotations only', async (t) => {
  const accepted = { uid: 'u', allowed: true, auditAnnotations: { a: 'b' }, warnings: ['w'] };
  const monitor: PolicyModeOptions = { id: 'p', mode: 'monitor', allowedToMutate: true, message: 'custom' };
  t.strictSame(applyPolicyMode(PATCHED, monitor), accepted);
  t.strictSame(
    applyPolicyMode({ ...DENIED, allowed: true }, monitor),
    accepted,
    'an accepted answer loses its status too',
  );
  t.equal(applyPolicyMode(rejection('u', 'trap', 500), monitor).allowed, true, 'a crash is accepted');
});

test('a mutation that is not allowed is refused and replaces the status', async (t) => {
  t.strictSame(applyPolicyMode(PATCHED, PROTECT), {
    uid: 'u',
    allowed: false,
    status: {
      message:
        'Request rejected by policy p. The policy attempted to mutate the request, but it is currently configured to not allow mutations.',
    },
    auditAnnotations: { a: 'b' },
    warnings: ['w'],
  });
  t.strictSame(
    applyPolicyMode(PATCHED, { ...PROTECT, allowedToMutate: true }),
    PATCHED,
    'a refusal may keep its patch',
  );
  t.strictSame(applyPolicyMode(DENIED, PROTECT), DENIED);
});

test('a custom message moves the original into the causes', async (t) => {
  const custom = { ...PROTECT, message: 'ask SRE' };
  t.match(
    line(applyPolicyMode(DENIED, custom)),
    '"status":{"message":"ask SRE","details":{"causes":[{"reason":null,"message":"no","field":null}]},"code":403}',
  );
  t.same(applyPolicyMode({ ...DENIED, status: undefined } as AdmissionResponse, custom).status?.details?.causes, [
    { reason: null, message: '', field: null },
  ]);
  t.equal(applyPolicyMode(DENIED, { ...PROTECT, message: '' }).status?.message, '', 'an empty message replaces too');
  const earlier = { reason: 'r', message: 'm', field: 'f' };
  const withCauses = { ...DENIED, status: { message: 'no', reason: 'x', details: { name: 'n', causes: [earlier] } } };
  t.same(applyPolicyMode(withCauses, custom).status, {
    message: 'ask SRE',
    reason: 'x',
    details: { name: 'n', causes: [earlier, { reason: null, message: 'no', field: null }] },
  });
  t.match(applyPolicyMode(PATCHED, custom).status?.details?.causes?.[0]?.message, /^Request rejected by policy p\./);
  t.strictSame(applyPolicyMode({ ...DENIED, allowed: true }, custom), { ...DENIED, allowed: true });
});

test('what a real API server sends reaches the guest whole, and a patch of it is exact', async (t) => {
  const names = [
    'pod-create',
    'pod-delete',
    'pod-exec',
    'pod-ephemeral-container',
    'deployment-scale',
    'cronjob-create',
    'widget-create',
    'large-create',
  ] as const;
  for (const name of names) {
    const body = await admissionReview(name);
    const request = parseAdmissionReview(body);
    const review = parseJson(body);
    const sent = review instanceof Map ? review.get('request') : undefined;
    if (!(sent instanceof Map)) throw new TypeError(`${name} carries no request`);
    for (const [key, value] of sent) if (value === null) sent.delete(key);
    const seen = new TextDecoder().decode(encodeAdmissionRequest(request));
    t.ok(seen === stringifyJson(sent), `${name}: every byte`);
    const { object } = request;
    if (!(object instanceof Map)) continue;
    const mutated: JsonValue = new Map([...object, ['portcullis', new JsonNumber('9007199254740993')]]);
    const response = answer(`{"accepted":true,"mutated_object":${stringifyJson(mutated)}}`, stringifyJson(object));
    t.equal(patchOf(response), '[{"op":"add","path":"/portcullis","value":9007199254740993}]', name);
  }
});

function randomValue(random: Random, levels: number): JsonValue {
  const kind = random(levels > 0 ? 6 : 4);
  if (kind === 0) return null;
  if (kind === 1) return new JsonNumber(['1', '1.0', '2'][random(3)] ?? '0');
  if (kind <= 3) return ['a', '', '~/', '1'][random(4)] ?? '';
  if (kind === 4) return Array.from({ length: random(4) }, () => randomValue(random, levels - 1));
  return new Map(
    Array.from({ length: random(4) }, () => [
      ['a', '', '~/', '1', '__proto__'][random(5)] ?? '',
      randomValue(random, levels - 1),
    ]),
  );
}

function alter(value: JsonValue, random: Random): JsonValue {
  if (random(6) === 0) return randomValue(random, 2);
  if (Array.isArray(value)) return value.filter(() => random(5) > 0).map((item) => alter(item, random));
  if (!(value instanceof Map)) return value;
  return new Map([...value].filter(() => random(5) > 0).map(([key, member]) => [key, alter(member, random)]));
}

/** RFC 6902 for the three operations, written on its own. */
function apply(value: JsonValue, operations: readonly PatchOperation[]): JsonValue {
  let root: JsonValue = parseJson(stringifyJson(value));
  for (const operation of operations) {
    const keys = operation.path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop();
    if (last === undefined) {
      root = operation.op === 'remove' ? null : operation.value;
      continue;
    }
    let parent: JsonValue = root;
    for (const key of keys)
      parent = (Array.isArray(parent) ? parent[Number(key)] : (parent as Map<string, JsonValue>).get(key)) ?? null;
    if (Array.isArray(parent)) {
      if (operation.op === 'remove') parent.splice(Number(last), 1);
      else parent.splice(Number(last), operation.op === 'add' ? 0 : 1, operation.value);
    } else if (parent instanceof Map) {
      if (operation.op === 'remove') parent.delete(last);
      else parent.set(last, operation.value);
    }
  }
  return root;
}
