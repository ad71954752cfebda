import { admissionReview, damage, type Random, randomFrom } from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { scanAdmissionReview, scanRawReview } from './admission-scan.ts';
import { encodeAdmissionRequest, parseAdmissionReview, parseRawReview } from './admission.ts';
import {
  encodedAdmissionRequest,
  encodedRawRequest,
  readAdmissionReview,
  readRawReview,
  type EncodedRequest,
} from './encoded-request.ts';
import { JsonError } from './errors.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

const FIXTURES = [
  'cronjob-create',
  'deployment-create',
  'deployment-scale',
  'large-create',
  'namespace-create',
  'pod-create',
  'pod-delete',
  'pod-dry-run',
  'pod-ephemeral-container',
  'pod-exec',
  'pod-update',
  'widget-create',
] as const;

/** What a reader says, as a text that can be compared. */
function told(read: () => EncodedRequest): string {
  try {
    const { bytes, ...rest } = read();
    return `${JSON.stringify(rest)} ${decodeUtf8(bytes)}`;
  } catch (error) {
    if (error instanceof JsonError) return `${error.code} ${error.line}:${error.column} ${error.message}`;
    throw error;
  }
}

const byTree = (body: Uint8Array): string => told(() => encodedAdmissionRequest(parseAdmissionReview(body)));
const rawByTree = (body: Uint8Array): string => told(() => encodedRawRequest(parseRawReview(body)));

/** Both ways must say the same; tells whether the fast one had an answer of its own. */
function agree(t: Test, body: Uint8Array, isRaw = false): boolean {
  const scanned = isRaw ? scanRawReview(body) : scanAdmissionReview(body);
  const expected = isRaw ? rawByTree(body) : byTree(body);
  const read = told(() => scanned ?? (isRaw ? readRawReview(body) : readAdmissionReview(body)));
  if (read !== expected) {
    t.equal(read.slice(0, 2000), expected.slice(0, 2000), JSON.stringify(String.fromCharCode(...body.slice(0, 2000))));
  }
  return scanned !== undefined;
}

const raw = (text: string): Uint8Array => encodeUtf8(`{"request":${text}}`);

test('what a real API server sends is read without a tree, into the same bytes', async (t) => {
  for (const name of FIXTURES) {
    const body = await admissionReview(name);
    t.ok(agree(t, body), name);
    t.ok(agree(t, body, true), `${name}, as it came`);
    const request = parseAdmissionReview(body);
    const { bytes, ...rest } = readAdmissionReview(body);
    t.equal(Buffer.compare(bytes, encodeAdmissionRequest(request)), 0, name);
    t.equal(bytes.byteLength, bytes.buffer.byteLength, 'bytes in a buffer of their own');
    const { uid, operation, namespace, name: objectName } = request;
    t.strictSame(rest, { uid, operation, kind: request.kind.kind, namespace, name: objectName });
  }
});

test('a request keeps its bytes while others are read', async (t) => {
  const first = readAdmissionReview(await admissionReview('pod-create'));
  const copy = Uint8Array.from(first.bytes);
  readAdmissionReview(await admissionReview('large-create'));
  readAdmissionReview(await admissionReview('pod-update'));
  t.same(first.bytes, copy);
});

const SPACES = ['', '', '', ' ', '\n\t', '\r\n '];
const STRINGS = [
  '""',
  '"plain"',
  '"quote \\" and \\\\"',
  '"line\\nend\\t\\r\\b\\f"',
  '"a\\/b"',
  '"\\u003chtml\\u003e \\u0026 \\u2028"',
  '"\\u0000\\u001f\\u001F\\u000a\\u0022"',
  '"\\ud83d\\ude00 \\u00e4"',
  '"ä€😀"',
  `"${'long '.repeat(30)}"`,
  `"${'lång '.repeat(30)}\\n"`,
];
const NUMBERS =
  '0 -0 0.0 1 -1 12345 1.5 -1.50 1e3 1E-7 0.00001 0.000001 123456789012345 1234567890123456 18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809 1e15 1e16 0.1 100.0 12345678901234.5 1234567890123.45 1e308 5e-324'.split(
    ' ',
  );
const KEYS =
  'a b aa A kind uid name \u00e4 \ue000 \u{1f600} f:x k:{\\"name\\":\\"x\\"} \\u0061 \\/ __proto__ 1 10 2'.split(' ');
const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)] as T;

/** A JSON text of any kind. */
function anyJson(random: Random, depth: number): string {
  const kind = random(depth > 5 ? 4 : 8);
  if (kind === 0) return pick(random, ['true', 'false', 'null']);
  if (kind === 1) return pick(random, NUMBERS);
  if (kind < 4) return pick(random, STRINGS);
  const space = (): string => pick(random, SPACES);
  const count = random(random(20) === 0 ? 60 : 6);
  const parts = Array.from({ length: count }, () => {
    const value = `${space()}${anyJson(random, depth + 1)}${space()}`;
    return kind < 6
      ? value
      : `${space()}"${pick(random, KEYS)}${random(3) === 0 ? random(40) : ''}"${space()}:${value}`;
  });
  return kind < 6
    ? `[${parts.join(',')}${count === 0 ? space() : ''}]`
    : `{${parts.join(',')}${count === 0 ? space() : ''}}`;
}

const NAMES = '{"group":"","version":"v1","kind":"Pod"}';
const RESOURCE = '{"resource":"pods","version":"v1","group":""}';

/** A review whose typed members are there or not, in any order, now and then with one that does not belong. */
function anyReview(random: Random): string {
  const free = (): string => anyJson(random, 0);
  const optional: (() => [string, string])[] = [
    () => ['object', free()],
    () => ['oldObject', free()],
    () => ['options', free()],
    () => ['dryRun', pick(random, ['true', 'false', 'null'])],
    () => ['namespace', pick(random, ['null', ...STRINGS])],
    () => ['name', pick(random, STRINGS)],
    () => ['requestKind', pick(random, ['null', NAMES])],
    () => ['requestResource', RESOURCE],
    () => ['subResource', pick(random, STRINGS)],
    () => ['unknown', free()],
  ];
  const extra = pick(random, ['null', '{}', '{"k":["a"],"b":[]}', '{"k":["a","b"],"\\u0061":["c"]}']);
  const members: [string, string][] = [
    ['uid', pick(random, STRINGS)],
    ['kind', pick(random, [NAMES, '{"kind":"x\\ny", "version":"","group":"g","x":[1e3]}'])],
    ['resource', RESOURCE],
    ['operation', '"CREATE"'],
    ['userInfo', `{"username":"u","groups":["a", "b"],"extra":${extra}}`],
    ...optional.filter(() => random(2) === 0).map((make) => make()),
  ];
  const shuffled = members.map((member) => ({ member, rank: random(1000) })).toSorted((a, b) => a.rank - b.rank);
  const request = shuffled.map(({ member: [key, value] }) => `"${key}":${value}`).join(pick(random, [',', ' , ']));
  return `{"kind":"AdmissionReview",${random(4) === 0 ? `"x":${free()},` : ''}"request":{${request}}}${pick(random, SPACES)}`;
}

test('reviews of every kind are read into the bytes the tree makes of them', async (t) => {
  const random = randomFrom(21);
  let scanned = 0;
  for (let round = 0; round < 500; round++) if (agree(t, encodeUtf8(anyReview(random)))) scanned++;
  t.ok(scanned > 450, `${scanned} of 500 without a tree`);
});

/** Equal as JavaScript sees it: the last duplicate, numbers as floats. */
function sameValue(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const entries = Object.entries(a);
  const others = new Map<string, unknown>(Object.entries(b));
  return entries.length === others.size && entries.every(([key, value]) => sameValue(value, others.get(key)));
}

test('a raw request means to JavaScript what it meant as it came', async (t) => {
  const random = randomFrom(22);
  let read = 0;
  for (let round = 0; round < 500; round++) {
    const text = anyJson(random, 0);
    const scanned = scanRawReview(raw(text));
    if (scanned === undefined) t.fail(`not read: ${text}`);
    else if (!sameValue(JSON.parse(decodeUtf8(scanned.bytes)), JSON.parse(text))) t.fail(`another value: ${text}`);
    else if (agree(t, raw(text), true)) read++;
  }
  t.equal(read, 500);
});

const PIECES = [
  '"',
  '{',
  '}',
  '[',
  ',',
  ':',
  'null',
  '1e999',
  '\\ud800',
  '\\',
  ' ',
  '\u00e4',
  '"uid":"x",',
  '-',
  '.',
  '0',
].map(encodeUtf8);

test('damaged reviews are refused in the same words, or understood alike', async (t) => {
  const random = randomFrom(23);
  const bodies = [await admissionReview('pod-exec'), encodeUtf8(anyReview(random)), encodeUtf8(anyReview(random))];
  let scanned = 0;
  for (let round = 0; round < 1500; round++) {
    const body = bodies[round % bodies.length] ?? new Uint8Array();
    if (agree(t, damage(body, random, PIECES), round % 4 === 3)) scanned++;
  }
  t.ok(scanned > 100 && scanned < 1200, `${scanned} of 1500 understood`);
});

test('a review is refused in the same words wherever it ends', async (t) => {
  const body = await admissionReview('pod-exec');
  const end = decodeUtf8(body).trimEnd().length;
  for (let length = 0; length < end; length++) {
    if (agree(t, body.subarray(0, length))) t.fail(`understood up to ${length}`);
  }
  t.ok(agree(t, body.subarray(0, end)));
});

test('UTF-8 is checked to the letter', async (t) => {
  const bytes = [0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
  let valid = 0;
  for (let lead = 0x80; lead <= 0xff; lead++) {
    for (const second of bytes) {
      for (const third of [0x41, 0x80, 0xbf, 0xc0]) {
        for (const fourth of [0x41, 0x80, 0xc0]) {
          const body = raw('"...."');
          body.set([lead, second, third, fourth], '{"request":"'.length);
          const scanned = scanRawReview(body);
          if ((scanned !== undefined) !== isReadable(body)) t.fail(`${lead} ${second} ${third} ${fourth}`);
          if (scanned !== undefined) valid++;
        }
      }
    }
  }
  t.ok(valid > 100, `${valid} valid`);
});

function isReadable(body: Uint8Array): boolean {
  try {
    parseRawReview(body);
    return true;
  } catch {
    return false;
  }
}

test('numbers are told apart from those that are spelled otherwise', async (t) => {
  const random = randomFrom(24);
  let read = 0;
  for (let round = 0; round < 4000; round++) {
    const digits = (most: number): string =>
      Array.from({ length: random(most) }, () => pick(random, ['0', '0', '0', '1', '2', '5', '9'])).join('');
    const text = `${pick(random, ['', '-'])}${digits(12)}${pick(random, ['', '.', '.0', '.'])}${digits(9)}${pick(random, ['', '', '', 'e', 'E+', 'e-'])}${random(9)}`;
    if (agree(t, raw(text), true) && agree(t, raw(`[${text}, 1]`), true)) read++;
  }
  t.ok(read > 1000 && read < 4000, `${read} of 4000 are numbers`);
});

test('keys are sorted by their bytes, many of them too, and the last duplicate wins', async (t) => {
  const random = randomFrom(25);
  for (const count of [2, 16, 17, 300]) {
    const keys = Array.from(
      { length: count },
      () => `${pick(random, ['x'.repeat(40), '', '\u00e4', '\u{1f600}'])}${random(count)}`,
    );
    const text = `{${keys.map((key, index) => `"${key}":${index}`).join(',')}}`;
    t.ok(agree(t, raw(text), true), `${count} members`);
    t.ok(agree(t, raw(`{"a":{"b":{"c":${text}}}}`), true), `${count} members, deep inside`);
  }
});

test('depth and size have bounds, beyond which the tree has the word', async (t) => {
  for (const depth of [125, 126, 127, 128]) {
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    t.equal(agree(t, raw(nested), true), depth <= 126, `${depth} levels`);
    const objects = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    t.equal(agree(t, raw(objects), true), depth <= 126, `${depth} objects`);
  }
  t.equal(scanRawReview(raw(`[${'{},'.repeat(500_001)}0]`)), undefined, 'objects');
  t.equal(scanRawReview(raw(`[${'1 ,'.repeat(1_100_000)}0]`)), undefined, 'values');
  const long = raw(`[${'1,'.repeat(1_100_000)}0]`);
  t.equal(scanRawReview(long)?.bytes.length, long.length - '{"request":}'.length, 'canonical neighbours are one value');
});

test('typed members are refused by their type, whatever is beside them', async (t) => {
  const whole = decodeUtf8(await admissionReview('pod-exec'));
  const changes: readonly [string, string][] = [
    ['"uid":"', '"uid":5,"x":"'],
    ['"uid":"', '"uid":null,"x":"'],
    ['"dryRun":false', '"dryRun":"false"'],
    ['"dryRun":false', '"dryRun":true,"dryRun":true'],
    ['"groups":[', '"groups":[1,'],
    ['"groups":[', '"groups":["a",{},'],
    ['"extra":{', '"extra":{"x":"y",'],
    ['"extra":{', '"extra":{"x":[1],"x":["y"],'],
    ['"kind":"AdmissionReview"', '"kind":1'],
    ['"kind":"AdmissionReview"', '"kind":null'],
    ['"apiVersion":"admission.k8s.io/v1"', '"apiVersion":[]'],
    ['"apiVersion":"admission.k8s.io/v1"', '"x":{"a":1,"a":2}'],
    ['"requestKind":{', '"requestKind":"x","y":{'],
    ['"group":"",', ''],
    ['"group":"",', '"group":"","group":"",'],
    ['"name":"web"', '"name":{}'],
    ['"name":"web"', '"name":"tab\\t and \\u003c and \u00e4"'],
    ['"userInfo":{', '"userInfo":{"uid":1,'],
    ['"operation"', '"\\u006fperation"'],
  ];
  for (const [from, to] of changes) {
    t.ok(whole.includes(from), from);
    const [understood, refused] = [agree(t, encodeUtf8(whole.replace(from, to))), /^(?:data|syntax) /];
    t.equal(understood, !refused.test(byTree(encodeUtf8(whole.replace(from, to)))), to);
  }
});

test('a raw request carries its own uid, if it has one', async (t) => {
  for (const read of [
    (text: string) => readRawReview(raw(text)),
    (text: string) => encodedRawRequest(parseRawReview(raw(text))),
  ]) {
    t.equal(read('{"uid":"x"}').uid, 'x');
    t.equal(read('{"uid":"x","a":1,"uid":"\\u0079\\n"}').uid, 'y\n');
    for (const text of ['{"uid":1}', '{}', 'null', '"uid"', '["uid"]']) t.equal(read(text).uid, '', text);
  }
  t.equal(decodeUtf8(readRawReview(raw('{"b":1, "a":2}')).bytes), '{"a":2,"b":1}');
});
