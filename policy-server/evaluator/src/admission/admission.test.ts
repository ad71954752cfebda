import { test } from 'tap';
import {
  encodeAdmissionRequest,
  JsonNumber,
  parseAdmissionReview,
  parseJson,
  stringifyJson,
  type AdmissionResponse,
  type JsonValue,
} from '@portcullis/protocol';
import { admissionReview } from '@portcullis/testkit';
import { applyPolicyMode, type PolicyModeOptions } from './mode.ts';
import { rejection } from './rejection.ts';
import { responseFromGuest } from './response.ts';
import { answer, encode, line, patchOf, patchText } from './test-answer.ts';

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
