import { test } from 'tap';
import type { AdmissionResponse } from '@portcullis/protocol';
import { responseFromGatekeeper, responseFromOpa } from './rego-response.ts';
import { answer, encode, line } from './test-answer.ts';

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
