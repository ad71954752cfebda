import { damage, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { admissionRequestFrom, encodeAdmissionRequest, parseAdmissionReview, parseRawReview } from './admission.ts';
import { stringifyAdmissionResponse, stringifyAdmissionReview, type AdmissionResponse } from './admission-response.ts';
import { JsonError } from './errors.ts';
import { parseProtocolVersion, parseSettingsValidationResponse, parseValidationResponse } from './guest.ts';
import { parseJson } from './json/parse.ts';
import { stringifyJson } from './json/value.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

const GROUP_VERSION_KIND = '{"group":"","version":"v1","kind":"Pod"}';
const GROUP_VERSION_RESOURCE = '{"group":"","version":"v1","resource":"pods"}';

/** An AdmissionRequest as text, with members added or replaced (`undefined` removes one). */
function request(members: Record<string, string | undefined> = {}): string {
  const all = {
    uid: '"u-1"',
    kind: GROUP_VERSION_KIND,
    resource: GROUP_VERSION_RESOURCE,
    operation: '"CREATE"',
    userInfo: '{}',
    ...members,
  };
  const written = Object.entries(all).filter(([, value]) => value !== undefined);
  return `{${written.map(([key, value]) => `"${key}":${value}`).join(',')}}`;
}

const parse = (text: string): ReturnType<typeof parseAdmissionReview> => parseAdmissionReview(encodeUtf8(text));
const guestBytes = (requestText: string): string =>
  decodeUtf8(encodeAdmissionRequest(parse(`{"request":${requestText}}`)));

function errorOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof JsonError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
}

test('a guest sees the request sorted, without what is absent, unknown or null', async (t) => {
  const text = request({
    namespace: '"default"',
    object: '{"kind":"Pod","spec":{}}',
    oldObject: 'null',
    surprise: '1',
  });
  t.equal(
    guestBytes(text),
    '{"kind":{"group":"","kind":"Pod","version":"v1"},"namespace":"default","object":{"kind":"Pod","spec":{}},' +
      '"operation":"CREATE","resource":{"group":"","resource":"pods","version":"v1"},"uid":"u-1","userInfo":{}}',
  );
});

test('every member of an AdmissionRequest reaches the guest', async (t) => {
  const all = request({
    subResource: '"ephemeralcontainers"',
    requestKind: GROUP_VERSION_KIND,
    requestResource: GROUP_VERSION_RESOURCE,
    requestSubResource: '"status"',
    name: '"n"',
    namespace: '"ns"',
    operation: '""',
    userInfo: '{"username":"u","uid":"1","groups":["a","b"],"extra":{"__proto__":["x"],"1":[]}}',
    object: '{"n":9007199254740993,"f":1e3,"x":null,"dup":1,"dup":2}',
    oldObject: '[]',
    dryRun: 'true',
    options: '{"kind":"CreateOptions"}',
  });
  t.equal(guestBytes(all), stringifyJson(parseJson(all)));
});

test('a review is read whatever it calls itself, and its unknown members are dropped', async (t) => {
  t.equal(parse(`{"kind":"Nonsense","apiVersion":null,"response":{"deep":[1]},"request":${request()}}`).uid, 'u-1');
  t.equal(parse(`{"request":${request({ dryRun: 'null', name: 'null', requestKind: 'null' })}}`).dryRun, undefined);
});

test('a review of the wrong shape is named by path, problem and place', async (t) => {
  const data = (text: string): string => errorOf(() => parse(text));
  t.equal(data('{}'), 'data: missing field `request` at line 1 column 2');
  t.equal(data('{"request":{}}'), 'data: request: missing field `uid` at line 1 column 13');
  t.equal(
    data('{"request":{"uid":5}}'),
    'data: request.uid: invalid type: integer `5`, expected a string at line 1 column 19',
  );
  t.equal(
    data('{"request":{"uid":null}}'),
    'data: request.uid: invalid type: null, expected a string at line 1 column 22',
  );
  t.equal(data('{"request":\n{"uid":"u","kind":{}}}'), 'data: request.kind: missing field `group` at line 2 column 20');
  t.equal(
    data('{"request":null}'),
    'data: request: invalid type: null, expected struct AdmissionRequest at line 1 column 15',
  );
  t.equal(data('[]'), 'data: invalid type: sequence, expected struct AdmissionReviewRequest at line 1 column 0');
  t.equal(data('{"kind":1}'), 'data: kind: invalid type: integer `1`, expected a string at line 1 column 9');
  t.match(
    data(`{"request":${request({ kind: '"Pod"' })}}`),
    'request.kind: invalid type: string "Pod", expected struct GroupVersionKind',
  );
  t.match(data(`{"request":${request({ userInfo: undefined })}}`), 'request: missing field `userInfo`');
  t.match(data(`{"request":${request({ userInfo: 'null' })}}`), 'request.userInfo: invalid type: null');
  t.match(
    data(`{"request":${request({ userInfo: '{"groups":["a",1.5]}' })}}`),
    'request.userInfo.groups[1]: invalid type: floating point `1.5`, expected a string',
  );
  t.match(
    data(`{"request":${request({ userInfo: '{"extra":{"k":true}}' })}}`),
    'request.userInfo.extra.k: invalid type: boolean `true`, expected a sequence',
  );
  t.match(
    data(`{"request":${request({ dryRun: '"yes"' })}}`),
    'request.dryRun: invalid type: string "yes", expected a boolean',
  );
  t.match(
    data(`{"request":${request({ requestKind: '{"group":"","version":""}' })}}`),
    'request.requestKind: missing field `kind`',
  );
  t.match(data(`{"request":${request({ name: '{"a":1}' })}}`), 'request.name: invalid type: map, expected a string');
});

test('a key given twice is refused where keys are known and overwritten where they are free', async (t) => {
  t.equal(
    errorOf(() => parse('{"request":{"uid":"a","uid" :"b"}}')),
    'data: request: duplicate field `uid` at line 1 column 28',
  );
  t.match(
    errorOf(() => parse(`{"request":${request()},"request":1}`)),
    'data: duplicate field `request`',
  );
  t.match(
    errorOf(() => parse(`{"request":${request({ kind: '{"group":"","group":""}' })}}`)),
    'request.kind: duplicate field `group`',
  );
  t.equal(stringifyJson(parse(`{"request":${request({ object: '{"a":1,"a":2}' })}}`).object ?? null), '{"a":2}');
});

test('the first mistake met decides between 400 and 422', async (t) => {
  t.match(
    errorOf(() => parse('{"request":{"uid":5},}')),
    /^data: /,
    'shape first',
  );
  t.match(
    errorOf(() => parse('{"request":{"uid":"u",}}')),
    /^syntax: request: trailing comma/,
    'syntax first',
  );
  t.match(
    errorOf(() => parse(`{"request":${request()}} x`)),
    /^syntax: trailing characters/,
  );
  t.match(
    errorOf(() => parse('')),
    /^syntax: EOF/,
  );
  for (const bad of ['1e400', '"\\ud800"', '['.repeat(126), '"\\x"']) {
    t.match(
      errorOf(() => parse(`{"request":${request({ object: bad })}}`)),
      /^syntax: request.object: /,
      bad.slice(0, 10),
    );
    t.match(
      errorOf(() => parse(`{"request":${request({ surprise: bad })}}`)),
      /^syntax: request: /,
      'also in what is dropped',
    );
  }
  t.match(
    errorOf(() => parseAdmissionReview(Uint8Array.of(0x7b, 0xff))),
    /^syntax: invalid unicode code point/,
  );
});

test('what a stranger wrote is quoted briefly and escaped', async (t) => {
  const long = errorOf(() => parse(`{"request":"${'x'.repeat(100_000)}"}`));
  t.ok(long.length < 400, `${long.length} characters`);
  t.match(
    errorOf(() => parse('{"request":"a\\"\\n\\u0007\\u0000\\\\"}')),
    'string "a\\"\\n\\u{7}\\0\\\\", expected',
  );
});

test('a raw review carries any value', async (t) => {
  const raw = (text: string): string => stringifyJson(parseRawReview(encodeUtf8(text)));
  t.equal(raw('{"request":null}'), 'null');
  t.equal(raw('{"x":1,"request":["a",1.0]}'), '["a",1.0]');
  t.equal(
    errorOf(() => raw('{}')),
    'data: missing field `request` at line 1 column 2',
  );
  t.match(
    errorOf(() => raw('{"request":1,"request":2}')),
    'data: duplicate field `request`',
  );
});

test('a request already parsed is held to the same rules, told without place', async (t) => {
  t.equal(admissionRequestFrom(parseJson(request({ namespace: '"x"' }))).namespace, 'x');
  const from = (text: string): string => errorOf(() => admissionRequestFrom(parseJson(text)));
  t.equal(from('{}'), 'data: missing field `uid`');
  t.equal(from(request({ kind: '"Pod"' })), 'data: invalid type: string "Pod", expected struct GroupVersionKind');
  t.equal(from('"x"'), 'data: invalid type: string "x", expected struct AdmissionRequest');
  t.equal(from(request({ uid: '"a","uid":"b"' })), 'no error', 'the last duplicate was kept when it was parsed');
});

test('an admission response has its keys in a fixed order', async (t) => {
  const bare: AdmissionResponse = { uid: 'u', allowed: true, auditAnnotations: null, warnings: null };
  t.equal(stringifyAdmissionResponse(bare), '{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}');
  const full: AdmissionResponse = {
    warnings: [],
    auditAnnotations: { b: '1', a: 'é/"', '1': '' },
    status: {
      code: 403,
      details: {
        retryAfterSeconds: 5,
        causes: [{ field: null, message: 'm', reason: null }],
        uid: 'u',
        kind: 'k',
        group: 'g',
        name: 'n',
      },
      reason: 'r',
      message: '',
      status: 'Failure',
    },
    patch: 'W10=',
    patchType: 'JSONPatch',
    allowed: false,
    uid: '',
  };
  t.equal(
    stringifyAdmissionReview(full),
    '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"","allowed":false,' +
      '"patchType":"JSONPatch","patch":"W10=","status":{"status":"Failure","message":"","reason":"r",' +
      '"details":{"name":"n","group":"g","kind":"k","uid":"u","causes":[{"reason":null,"message":"m","field":null}],' +
      '"retryAfterSeconds":5},"code":403},"auditAnnotations":{"1":"","a":"é/\\"","b":"1"},"warnings":[]}}',
  );
});

test('empty annotations, warnings and causes are told apart from absent ones as others do', async (t) => {
  const response: AdmissionResponse = {
    uid: 'u',
    allowed: false,
    status: { message: 'm', details: { causes: [] } },
    auditAnnotations: {},
    warnings: ['w'],
  };
  t.equal(
    stringifyAdmissionResponse(response),
    '{"uid":"u","allowed":false,"status":{"message":"m","details":{}},"auditAnnotations":{},"warnings":["w"]}',
  );
});

test('retry_after_seconds in snake case is no key of Kubernetes: ours is retryAfterSeconds', async (t) => {
  const response: AdmissionResponse = {
    uid: 'u',
    allowed: false,
    status: { details: { retryAfterSeconds: 7 } },
    auditAnnotations: null,
    warnings: null,
  };
  t.match(stringifyAdmissionResponse(response), '"details":{"retryAfterSeconds":7}');
});

test('a validation response is read strictly', async (t) => {
  const read = (text: string): ReturnType<typeof parseValidationResponse> => parseValidationResponse(encodeUtf8(text));
  t.same(read('{"accepted":true}'), { accepted: true });
  t.same(
    read(
      '{"accepted":true,"message":null,"code":null,"mutated_object":null,"audit_annotations":null,"warnings":null,"x":1}',
    ),
    {
      accepted: true,
    },
  );
  const full = read(
    '{"accepted":false,"message":"","code":65535,"mutated_object":false,"audit_annotations":{"__proto__":"x"},"warnings":[]} \n',
  );
  t.equal(full.message, '');
  t.equal(full.code, 65_535);
  t.equal(full.mutatedObject, false);
  t.same(Object.entries(full.auditAnnotations ?? {}), [['__proto__', 'x']]);
  t.same(full.warnings, []);
  const refusals = {
    '{"message":"none"}': 'data: missing field `accepted` at line 1 column 18',
    '{"accepted":1}': 'data: invalid type: integer `1`, expected a boolean at line 1 column 13',
    '{"accepted":null}': 'data: invalid type: null, expected a boolean at line 1 column 16',
    '{"accepted":true,"code":70000}': 'data: invalid value: integer `70000`, expected u16 at line 1 column 29',
    '{"accepted":true,"code":-1}': 'data: invalid value: integer `-1`, expected u16 at line 1 column 26',
    '{"accepted":true,"code":403.0}': 'data: invalid type: floating point `403.0`, expected u16 at line 1 column 29',
    '{"accepted":true,"code":"403"}': 'data: invalid type: string "403", expected u16 at line 1 column 29',
    '{"accepted":true,"accepted":true}': 'data: duplicate field `accepted` at line 1 column 27',
    '{"accepted":true,"warnings":[1]}': 'data: invalid type: integer `1`, expected a string at line 1 column 30',
    '{"accepted":true,"audit_annotations":{"a":1}}':
      'data: invalid type: integer `1`, expected a string at line 1 column 43',
    '{"accepted":true}{}': 'syntax: trailing characters at line 1 column 18',
    '': 'syntax: EOF while parsing a value at line 1 column 0',
  };
  for (const [text, message] of Object.entries(refusals))
    t.equal(
      errorOf(() => read(text)),
      message,
      text,
    );
});

test('the other answers of a guest are read strictly too', async (t) => {
  const settings = (text: string): unknown => parseSettingsValidationResponse(encodeUtf8(text));
  t.same(settings('{"valid":true,"message":null}'), { valid: true });
  t.same(settings('{"valid":false,"message":"no"}'), { valid: false, message: 'no' });
  t.equal(
    errorOf(() => settings('{"valid":"true"}')),
    'data: invalid type: string "true", expected a boolean at line 1 column 15',
  );
  t.equal(
    errorOf(() => settings('{}')),
    'data: missing field `valid` at line 1 column 2',
  );
  const version = (text: string): string => parseProtocolVersion(encodeUtf8(text));
  t.equal(version('"v1"'), 'v1');
  t.equal(
    errorOf(() => version('"v2"')),
    'data: unknown variant `v2`, expected `v1` at line 1 column 4',
  );
  t.match(
    errorOf(() => version('v1')),
    /^syntax: expected value/,
  );
  t.match(
    errorOf(() => version('"v1" "v1"')),
    /^syntax: trailing characters/,
  );
});

const PIECES = ['"', '{', '}', ',', 'null', '1e999', '\\ud800'].map(encodeUtf8);

test('damaged reviews are either understood or refused with a place, never worse', async (t) => {
  const random = randomFrom(11);
  const whole = encodeUtf8(
    `{"kind":"AdmissionReview","request":${request({ object: '{"a":[1,-2.5e3,"x\\n",null,true]}', dryRun: 'false' })}}`,
  );
  let refused = 0;
  for (let round = 0; round < 8000; round++) {
    const damaged = damage(whole, random, PIECES);
    try {
      const understood = parseAdmissionReview(damaged);
      const again = admissionRequestFrom(parseJson(encodeAdmissionRequest(understood)));
      if (decodeUtf8(encodeAdmissionRequest(again)) !== decodeUtf8(encodeAdmissionRequest(understood))) {
        t.fail(`not the same when read again: ${JSON.stringify(String.fromCharCode(...damaged))}`);
      }
    } catch (error) {
      if (!(error instanceof JsonError) || error.line === 0) throw error;
      refused++;
    }
  }
  t.ok(refused > 4000 && refused < 8000, `${refused} of 8000 refused`);
});

test('damaged guest responses are either understood or refused, never worse', async (t) => {
  const random = randomFrom(12);
  const whole = encodeUtf8(
    '{"accepted":true,"message":"m","code":200,"mutated_object":{"a":1},"audit_annotations":{"k":"v"},"warnings":["w"]}',
  );
  let understood = 0;
  for (let round = 0; round < 8000; round++) {
    try {
      const response = parseValidationResponse(damage(whole, random, PIECES));
      understood++;
      if (typeof response.accepted !== 'boolean') t.fail('accepted is no boolean');
      if (response.code !== undefined && !(response.code >= 0 && response.code <= 65_535))
        t.fail(`code ${response.code}`);
      if (response.warnings?.some((warning) => typeof warning !== 'string') === true) t.fail('a warning is no string');
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
    }
  }
  t.ok(understood > 500 && understood < 8000, `${understood} of 8000 understood`);
});
