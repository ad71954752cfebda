import { setTimeout as sleep } from 'node:timers/promises';
import { EvaluationError, type EvaluationInput, type EvaluationOutcome } from '@portcullis/evaluator';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { memoryLog } from '../telemetry/memory-log.ts';
import { createAdmissionHandler, type AdmissionHead, type Evaluate } from './admission.ts';
import { ADMISSION_ROUTES } from './answer.ts';
import { clientTimeoutMs, decodePolicyId, isJsonContentType } from './request-target.ts';

const REVIEW =
  '{"request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},' +
  '"operation":"CREATE","userInfo":{},"namespace":"default","name":"web","object":{"kind":"Pod","spec":{"secret":"hunter2"}},"oldObject":null,"surprise":1}}';

function outcome(change: Partial<EvaluationOutcome> = {}): EvaluationOutcome {
  return {
    response: { uid: 'u-1', allowed: true, auditAnnotations: null, warnings: null },
    vanilla: { accepted: true, mutated: false },
    mode: 'protect',
    allowedToMutate: false,
    initialised: true,
    ...change,
  };
}

function handlerWith(evaluate: Evaluate) {
  const log = memoryLog();
  return { log, handler: createAdmissionHandler({ evaluate, log, nowMs: () => performance.now() }) };
}

function head(change: Partial<AdmissionHead> = {}): AdmissionHead {
  return { route: 'validate', target: '/validate/p', idSegment: 'p', contentType: 'application/json', ...change };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('an accepted review is answered in the exact bytes of the API', async (t) => {
  const asked: unknown[] = [];
  const { handler } = handlerWith(async (...args) => {
    asked.push(args);
    return outcome();
  });
  const answer = await handler.decide(head(), bytes(REVIEW));
  t.same(answer, {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}}',
  });
  t.match(asked, [['p', 'validate', { kind: 'kubernetes', request: { uid: 'u-1', operation: 'CREATE' } }]]);
  await handler.decide(head({ route: 'audit' }), bytes(REVIEW));
  t.match(asked[1], ['p', 'audit']);
});

test('a raw review is answered without an envelope', async (t) => {
  let input: EvaluationInput | undefined;
  const { handler } = handlerWith(async (_id, origin, given) => {
    input = given;
    t.equal(origin, 'validate');
    return outcome();
  });
  const answer = await handler.decide(head({ route: 'validate_raw' }), bytes('{"request":[1]}'));
  t.equal(answer.body, '{"response":{"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}}');
  t.equal(input?.kind, 'raw');
});

test('the id is decoded after routing: group%2Fmember addresses a member', async (t) => {
  const ids: string[] = [];
  const { handler } = handlerWith(async (id) => {
    ids.push(id);
    return outcome();
  });
  for (const idSegment of ['g%2Fmember', 'a%zz', 'n%C3%A4h', '%', 'a%2'])
    await handler.decide(head({ idSegment }), bytes(REVIEW));
  t.same(ids, ['g/member', 'a%zz', 'näh', '%', 'a%2']);
  t.equal(decodePolicyId('%ff'), undefined);
  t.equal(decodePolicyId('\u00c3\u00a4'), 'ä', 'raw UTF-8 bytes');
  for (const route of ADMISSION_ROUTES) {
    t.same(handler.refuse(head({ route, idSegment: 'x%ff', contentType: undefined })), {
      status: 400,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: 'Invalid URL: Invalid UTF-8 in `policy_id`',
    });
  }
});

test('content types: JSON and its relatives pass, nothing else does', async (t) => {
  for (const good of [
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=latin1',
    'application/json;',
    'application/vnd.k8s+json',
    'application/x+json ; a=b',
  ]) {
    t.ok(isJsonContentType(good), good);
  }
  for (const bad of [
    undefined,
    '',
    'text/json',
    'application/jsonx',
    'application/+',
    'text/plain',
    'application/x+json+y',
    'json',
  ]) {
    t.notOk(isJsonContentType(bad), bad ?? 'none');
  }
  const text = 'Expected request with `Content-Type: application/json`';
  const { handler } = handlerWith(async () => outcome());
  t.same(handler.refuse(head({ contentType: 'text/json' })), {
    status: 415,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ message: text, status: 415 }),
  });
  t.match(handler.refuse(head({ route: 'audit', contentType: undefined })), {
    status: 415,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: text,
  });
  t.equal(handler.refuse(head()), undefined);
});

test('errors of the body: JSON on /validate, plain text on the other routes, and never a look at the policy id', async (t) => {
  const { handler } = handlerWith(async () => {
    throw new Error('must not be asked');
  });
  const cases: [string, number, RegExp][] = [
    ['{', 400, /^Failed to parse the request body as JSON: EOF while parsing an object at line 1 column 1$/],
    ['', 400, /^Failed to parse the request body as JSON: EOF while parsing a value at line 1 column 0$/],
    [`${REVIEW}x`, 400, /^Failed to parse the request body as JSON: trailing characters at line 1 column \d+$/],
    [
      '{}',
      422,
      /^Failed to deserialize the JSON body into the target type: missing field `request` at line 1 column 2$/,
    ],
  ];
  for (const [body, status, message] of cases) {
    const json = await handler.decide(head(), bytes(body));
    t.equal(json.status, status);
    t.match(JSON.parse(json.body), { status, message });
    for (const route of ['audit', 'validate_raw'] as const) {
      const text = await handler.decide(head({ route }), bytes(body));
      t.equal(text.status, status);
      t.equal(text.headers['content-type'], 'text/plain; charset=utf-8');
      t.match(text.body, message);
    }
  }
  const nested = await handler.decide(head(), bytes('{"request":{"uid":5}}'));
  t.match(
    JSON.parse(nested.body).message,
    'request.uid: invalid type: integer `5`, expected a string at line 1 column 19',
  );
});

test('what the evaluator cannot do has a status of its own, in JSON on all routes', async (t) => {
  const cases = [
    ['unknown-policy', 404, 'unknown policy: p'],
    ['policy-id-invalid', 500, 'Something went wrong'],
    ['threads-failed', 500, 'Something went wrong'],
    ['overloaded', 429, 'Too many requests: the queue is full. Retry later'],
    ['closed', 503, 'The server is shutting down'],
  ] as const;
  for (const [code, status, message] of cases) {
    const { handler, log } = handlerWith(async () => {
      throw new EvaluationError(code, 'the queue is full');
    });
    for (const route of ADMISSION_ROUTES) {
      const answer = await handler.decide(head({ route }), bytes(REVIEW));
      t.equal(answer.status, status);
      t.equal(answer.body, JSON.stringify({ message, status }), `${code} on ${route}`);
      t.equal(answer.headers['content-type'], 'application/json');
      t.equal(answer.headers['retry-after'], code === 'overloaded' ? '1' : undefined);
    }
    t.equal(log.entries.length, 3);
  }
  const { handler, log } = handlerWith(async () => {
    throw new TypeError('secret detail');
  });
  const answer = await handler.decide(head(), bytes(REVIEW));
  t.equal(answer.body, '{"message":"Something went wrong","status":500}');
  t.match(log.entries, [{ level: 'error', fields: { error: 'secret detail' } }], 'the real error is only logged');
});

test('FIX: ?timeout= of the API server bounds the deadline, other query strings are ignored', async (t) => {
  const deadlines: (number | undefined)[] = [];
  const { handler } = handlerWith(async (_id, _origin, _input, options) => {
    deadlines.push(options.deadlineMs);
    return outcome();
  });
  for (const query of ['', '?timeout=10s', '?timeout=1s', '?x=1', '?timeout=-1s', '?timeout=99', '?timeout=0s']) {
    await handler.decide(head({ target: `/validate/p${query}` }), bytes(REVIEW));
  }
  t.same(deadlines, [undefined, 9750, 900, undefined, undefined, undefined, undefined]);
  t.equal(clientTimeoutMs('/validate/p?a=b&timeout=1m30.5s'), 90_500);
  t.equal(clientTimeoutMs('/validate/p?timeout=250ms'), 250);
});

test('a client that goes away aborts its evaluation', async (t) => {
  const { handler, log } = handlerWith(async (_id, _origin, _input, { signal }) => {
    await sleep(60_000, undefined, { signal: signal ?? AbortSignal.abort() }).catch(() => undefined);
    throw new EvaluationError('aborted', 'the caller went away');
  });
  const gone = Promise.withResolvers<void>();
  const pending = handler.decide(head(), bytes(REVIEW), (listener) => void gone.promise.then(listener));
  gone.resolve();
  t.equal((await pending).status, 499);
  t.match(log.entries, [{ level: 'warn', message: 'request refused', fields: { status: 499 } }]);
});

test('one log line per request, with policy, uid, verdict, code and duration, without body or settings', async (t) => {
  const { handler, log } = handlerWith(async () =>
    outcome({
      response: {
        uid: 'u-1',
        allowed: false,
        status: { message: 'no', code: 403 },
        auditAnnotations: null,
        warnings: null,
      },
      vanilla: { accepted: false, mutated: false, code: 403 },
    }),
  );
  await handler.decide(head(), bytes(REVIEW));
  t.match(log.entries, [
    {
      level: 'info',
      target: 'policy_server::http',
      message: 'request evaluated',
      fields: {
        policy_id: 'p',
        request_uid: 'u-1',
        allowed: false,
        accepted: false,
        response_code: 403,
        duration_ms: Number,
      },
    },
  ]);
  t.notMatch(JSON.stringify(log.entries), /hunter2|surprise/);
  await handler.decide(head({ idSegment: 'x' }), bytes('{'));
  t.equal(log.entries.length, 2);
  t.match(log.entries[1], { level: 'warn', fields: { policy_id: 'x', status: 400 } });
});

test('a body of the wrong shape is quoted to its sender, not in the log', async (t) => {
  const { handler, log } = handlerWith(async () => outcome());
  for (const [body, reason] of [
    ['"hunter2"', 'invalid type: string, expected struct AdmissionReviewRequest at line 1 column 9'],
    ['{"kind":"\\"","request":"\\"hunter2\\u0001"}', 'request: invalid type: string, expected struct'],
    ['{"request":{"uid":73571}}', 'request.uid: invalid type: integer, expected a string at line 1 column 23'],
    ['{"request":{"uid":73571.5}}', 'request.uid: invalid type: floating point, expected a string'],
  ] as const) {
    log.entries.length = 0;
    t.match((await handler.decide(head(), bytes(body))).body, /hunter2|73571/);
    t.match(log.entries, [{ message: 'request refused', fields: { status: 422 } }]);
    t.match(log.entries[0]?.fields['reason'], `the target type: ${reason}`);
    t.notMatch(JSON.stringify(log.entries), /hunter2|73571/);
  }
});

test('monitor mode leaves a line of its own about what would have happened, and why', async (t) => {
  const long = 'x'.repeat(100_000);
  const causes = [
    { reason: null, message: 'unsigned', field: 'spec.policies.signed' },
    { reason: null, message: null, field: 'spec.policies.tagged' },
  ];
  const { handler, log } = handlerWith(async () =>
    outcome({
      mode: 'monitor',
      vanilla: { accepted: false, mutated: false, message: `no ${long}`, causes, code: 403 },
    }),
  );
  await handler.decide(head(), bytes(REVIEW));
  t.match(log.entries, [
    {
      message: 'policy evaluation (monitor mode)',
      fields: {
        policy_id: 'p',
        accepted: false,
        allowed_to_mutate: false,
        response_code: 403,
        response_message: /^no x{1000,1100}… \(100003 characters\)$/,
        response_causes: 'spec.policies.signed: unsigned; spec.policies.tagged',
      },
    },
    { message: 'request evaluated', fields: { allowed: true, accepted: false, mode: 'monitor' } },
  ]);
  t.notMatch(JSON.stringify(log.entries), /hunter2|surprise/);
  log.entries.length = 0;
  await handler.decide(head({ route: 'audit' }), bytes(REVIEW));
  t.equal(log.entries.length, 1);
});

test('fuzz: any bytes and any target get an answer of a known status', async (t) => {
  const { handler } = handlerWith(async () => outcome());
  const random = randomFrom(0x0dd5eed);
  const untilMs = performance.now() + 1000;
  let runs = 0;
  for (; runs < 3000 && performance.now() < untilMs; runs++) {
    const body = bytes(REVIEW);
    for (let edits = random(8); edits > 0; edits--) body[random(body.length)] = random(256);
    const idSegment = String.fromCharCode(...Array.from({ length: 1 + random(6) }, () => random(256)));
    const route = ADMISSION_ROUTES[random(3)] ?? 'validate';
    const given = head({ route, idSegment, target: `/validate/${idSegment}?timeout=${random(99)}s` });
    const answer = handler.refuse(given) ?? (await handler.decide(given, body.subarray(0, body.length - random(3))));
    if (![200, 400, 422].includes(answer.status)) t.fail(`${answer.status} for ${JSON.stringify(idSegment)}`);
  }
  t.ok(runs > 100, `${runs} runs`);
});
