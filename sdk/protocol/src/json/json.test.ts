import { type Random, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { JsonError, Utf8Error } from '../errors.ts';
import { compareUtf8, decodePlainly, decodeUtf8, encodePlainly, encodeUtf8, utf8Length } from '../utf8.ts';
import { JsonNumber } from './number.ts';
import { parseJson } from './parse.ts';
import { encodeJson, jsonEquals, jsonFrom, jsonToPlain, stringifyJson, type JsonValue } from './value.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const roundTrip = (text: string): string => stringifyJson(parseJson(text));

function errorOf(input: string | Uint8Array): string {
  try {
    parseJson(input);
  } catch (error) {
    if (error instanceof JsonError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
}

test('numbers keep their value and their kind, spelt as guests expect', async (t) => {
  const spellings = {
    '0': '0',
    '-1': '-1',
    '1.0': '1.0',
    '1e3': '1000.0',
    '1E+2': '100.0',
    '1.10': '1.1',
    '-0': '-0.0',
    '-0.0': '-0.0',
    '0e5': '0.0',
    '1e15': '1000000000000000.0',
    '1e16': '1e+16',
    '123456789012345680': '123456789012345680',
    '1.5e300': '1.5e+300',
    '1e22': '1e+22',
    '1e-5': '0.00001',
    '1.25e-5': '0.0000125',
    '1e-6': '1e-6',
    '1e-7': '1e-7',
    '-2.5e-9': '-2.5e-9',
    '5e-324': '5e-324',
    '1e-400': '0.0',
    '0.1': '0.1',
    '9007199254740993': '9007199254740993',
    '9223372036854775808': '9223372036854775808',
    '18446744073709551615': '18446744073709551615',
    '18446744073709551616': '1.8446744073709552e+19',
    '-9223372036854775808': '-9223372036854775808',
    '-9223372036854775809': '-9.223372036854776e+18',
    '12345678901234567890123': '1.2345678901234568e+22',
  };
  for (const [literal, canonical] of Object.entries(spellings)) t.equal(roundTrip(literal), canonical, literal);
});

test('a number of more digits than a float holds is rounded to the nearest, where the reference may be one unit off', async (t) => {
  t.equal(roundTrip('184467440737095516150'), '1.844674407370955e+20');
  t.equal(roundTrip('9007199254740993.0'), '9007199254740992.0', 'a tie goes to the even one');
  t.equal(roundTrip('9007199254740993.00000000000000000001'), '9007199254740994.0');
  t.equal(roundTrip('2.2250738585072011e-308'), '2.225073858507201e-308');
});

test('a number knows whether it is an integer and converts without surprises', async (t) => {
  t.equal(new JsonNumber('18446744073709551615').toBigInt(), 2n ** 64n - 1n);
  t.equal(new JsonNumber('1.0').toBigInt(), undefined);
  t.equal(new JsonNumber('1e+22').isInteger, false);
  t.equal(new JsonNumber('42').toNumber(), 42);
  t.equal(JsonNumber.from(3).text, '3');
  t.equal(JsonNumber.from(2.5).text, '2.5');
  t.equal(JsonNumber.from(1e21).text, '1e+21');
  t.equal(JsonNumber.from(-0).text, '0');
  t.equal(JsonNumber.from(2n ** 63n).text, '9223372036854775808');
  for (const bad of ['', '01', '1.', '.5', '+1', '1e', 'NaN', '0x1', '1 ', '1,2']) {
    t.throws(() => new JsonNumber(bad), SyntaxError, bad);
  }
  t.throws(() => new JsonNumber('1e400'), RangeError);
  t.throws(() => JsonNumber.from(Number.NaN), RangeError);
});

test('keys come out in the order of their UTF-8 bytes and none is special', async (t) => {
  t.equal(roundTrip('{"b":1,"a":2,"10":3,"9":4,"__proto__":5,"":6}'), '{"":6,"10":3,"9":4,"__proto__":5,"a":2,"b":1}');
  t.equal(roundTrip('{"\u{1F600}":1,"\uFFFD":2,"é":3}'), '{"é":3,"\uFFFD":2,"\u{1F600}":1}', 'astral after the rest');
  t.equal(roundTrip('{"constructor":{"prototype":{"toString":1}}}'), '{"constructor":{"prototype":{"toString":1}}}');
  t.equal(roundTrip('{"a":1,"b":2,"a":{"c":3}}'), '{"a":{"c":3},"b":2}', 'the last duplicate wins');
});

test('strings are written with as few escapes as JSON allows', async (t) => {
  t.equal(roundTrip('"\\u2028\\u007f\\/\\u00e9\\ud83d\\ude00"'), '"\u2028\u007f/é😀"');
  t.equal(roundTrip('"\\u0000\\u0007\\b\\f\\n\\r\\t\\"\\\\"'), '"\\u0000\\u0007\\b\\f\\n\\r\\t\\"\\\\"');
  t.equal(roundTrip(`"${'x'.repeat(50)}\\n"`), `"${'x'.repeat(50)}\\n"`);
  t.equal(roundTrip(' [ true , false , null , { } , [ ] ] '), '[true,false,null,{},[]]');
});

test('what is wrong with a text is said in the words and at the place of serde_json', async (t) => {
  const errors: Record<string, string> = {
    '': 'EOF while parsing a value at line 1 column 0',
    '   ': 'EOF while parsing a value at line 1 column 3',
    '{"a":': 'EOF while parsing a value at line 1 column 5',
    '{"a"': 'EOF while parsing an object at line 1 column 4',
    '{': 'EOF while parsing an object at line 1 column 1',
    '{"a":1,': 'EOF while parsing a value at line 1 column 7',
    '[': 'EOF while parsing a list at line 1 column 1',
    '[1': 'EOF while parsing a list at line 1 column 2',
    '[1,': 'EOF while parsing a value at line 1 column 3',
    '"abc': 'EOF while parsing a string at line 1 column 4',
    '"\\': 'EOF while parsing a string at line 1 column 2',
    '"\\u12': 'EOF while parsing a string at line 1 column 5',
    '{}x': 'trailing characters at line 1 column 3',
    '\ufeff1': 'expected value at line 1 column 1',
    '{}😀': 'trailing characters at line 1 column 3',
    '["é"é]': 'expected `,` or `]` at line 1 column 6',
    tré: 'expected ident at line 1 column 3',
    '"\\é"': 'invalid escape at line 1 column 3',
    '1 2': 'trailing characters at line 1 column 3',
    '[1 2]': 'expected `,` or `]` at line 1 column 4',
    '{"a" 1}': 'expected `:` at line 1 column 6',
    '{"a":1 "b"}': 'expected `,` or `}` at line 1 column 8',
    '{a:1}': 'key must be a string at line 1 column 2',
    '{"a":1,b}': 'key must be a string at line 1 column 8',
    '{"a":1,}': 'trailing comma at line 1 column 8',
    '[1,]': 'trailing comma at line 1 column 4',
    nul: 'EOF while parsing a value at line 1 column 3',
    nulx: 'expected ident at line 1 column 4',
    tRue: 'expected ident at line 1 column 2',
    x: 'expected value at line 1 column 1',
    '01': 'invalid number at line 1 column 2',
    '-': 'EOF while parsing a value at line 1 column 1',
    '-x': 'invalid number at line 1 column 2',
    '1.': 'EOF while parsing a value at line 1 column 2',
    '1.x': 'invalid number at line 1 column 3',
    '1e': 'EOF while parsing a value at line 1 column 2',
    '1e+x': 'invalid number at line 1 column 4',
    '1e400': 'number out of range at line 1 column 5',
    '-1e400': 'number out of range at line 1 column 6',
    '"\\x"': 'invalid escape at line 1 column 3',
    '"\\u12g4"': 'invalid escape at line 1 column 7',
    '"\\ud800"': 'unexpected end of hex escape at line 1 column 8',
    '"\\ud800\\n"': 'unexpected end of hex escape at line 1 column 9',
    '"\\udc00"': 'lone leading surrogate in hex escape at line 1 column 7',
    '"\\ud800\\u0041"': 'lone leading surrogate in hex escape at line 1 column 13',
    '"a\u0001"': 'control character (\\u0000-\\u001F) found while parsing a string at line 1 column 3',
    '{\n "a": 1,\n "é": ?}': 'expected value at line 3 column 8',
    '"\ud800"': 'invalid unicode code point at line 1 column 1',
  };
  for (const [text, message] of Object.entries(errors))
    t.equal(errorOf(text), `syntax: ${message}`, JSON.stringify(text));
});

test('bytes that are not UTF-8 are a syntax error with their place', async (t) => {
  t.equal(errorOf(Uint8Array.of(0x22, 0x61, 0xff, 0x22)), 'syntax: invalid unicode code point at line 1 column 2');
  t.equal(
    errorOf(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)),
    'syntax: invalid unicode code point at line 1 column 1',
  );
  t.equal(
    errorOf(Uint8Array.of(0x0a, 0x22, 0xc0, 0x80, 0x22)),
    'syntax: invalid unicode code point at line 2 column 1',
  );
});

test('127 levels are read, 128 are refused, a million cost nothing', async (t) => {
  const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
  t.equal(roundTrip(nested(127)), nested(127));
  t.equal(errorOf(nested(128)), 'syntax: recursion limit exceeded at line 1 column 128');
  t.equal(errorOf('{"a":'.repeat(1_000_000)), 'syntax: recursion limit exceeded at line 1 column 636');
  t.throws(() => parseJson('[[1]]', { maxDepth: 1 }), { code: 'syntax' });
  t.equal(roundTrip(`[${'[],'.repeat(500)}[]]`).length, 1504, 'siblings do not add up');
});

test('a text of very many empty objects is refused before it fills the memory', async (t) => {
  t.match(errorOf(`[${'{},'.repeat(500_000)}{}]`), /^syntax: more than 500000 objects/);
  t.equal(roundTrip(`[${'{},'.repeat(1000)}{}]`).length, 3004);
});

test('equality looks at values, not at spelling or order', async (t) => {
  const equal = (a: string, b: string): boolean => jsonEquals(parseJson(a), parseJson(b));
  t.ok(equal('{"a":1,"b":[1,{"c":null}]}', '{"b":[1,{"c":null}],"a":1}'));
  t.ok(equal('1e3', '1000.0'));
  t.ok(equal('0.0', '-0.0'), 'as floats are');
  t.notOk(equal('1', '1.0'));
  t.notOk(equal('0', '-0'));
  t.notOk(equal('{"a":null}', '{}'));
  t.notOk(equal('{"a":null}', '{"b":null}'));
  t.notOk(equal('[]', '{}'));
  t.notOk(equal('[1]', '[1,null]'));
  t.notOk(equal('""', 'null'));
  t.notOk(equal('1', '"1"'));
});

test('plain values convert in and out', async (t) => {
  const value = jsonFrom({
    a: 1,
    b: [undefined, 2n ** 64n - 1n, 'x'],
    c: undefined,
    d: new Map([['__proto__', true]]),
  });
  t.equal(stringifyJson(value), '{"a":1,"b":[null,18446744073709551615,"x"],"d":{"__proto__":true}}');
  const plain = jsonToPlain(parseJson('{"__proto__":{"polluted":1},"1":1.5}')) as Record<string, unknown>;
  t.equal(Object.getPrototypeOf(plain), null);
  t.same(Object.keys(plain), ['1', '__proto__']);
  t.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const circle: unknown[] = [];
  circle.push(circle);
  for (const bad of [circle, Number.NaN, () => 1, Symbol('x')]) t.throws(() => jsonFrom(bad), TypeError);
  t.same(encodeJson('é'), bytes('"é"'));
});

test('a body of 1.5 MB is read in linear time, whatever it holds', async (t) => {
  const bodies = {
    escapes: `"${'\\"'.repeat(750_000)}"`,
    unicode: `"${'\\ud83d\\ude00'.repeat(125_000)}"`,
    digits: '9'.repeat(1_500_000),
    fraction: `0.${'1'.repeat(1_500_000)}`,
    spaces: `${' '.repeat(1_500_000)}1`,
    lines: `${'\n'.repeat(1_500_000)}?`,
    keys: `{${Array.from({ length: 100_000 }, (_, i) => `"key${i}":${i}`).join(',')}}`,
    lists: `[${'[],'.repeat(500_000)}[]]`,
  };
  for (const [name, body] of Object.entries(bodies)) {
    const started = performance.now();
    try {
      parseJson(bytes(body));
    } catch (error) {
      t.type(error, JsonError);
    }
    t.ok(performance.now() - started < 10_000, `${name}: far below quadratic`);
  }
});

test('the plain UTF-8 codecs agree with the Encoding API', async (t) => {
  const texts = ['', 'abc', 'é', '\u07ff\u0800\uffff', '😀\u{10ffff}', '\uFEFFx', 'x'.repeat(10_000) + 'é'];
  for (const text of texts) {
    t.same(encodePlainly(text), bytes(text));
    t.equal(decodePlainly(bytes(text)), text);
    t.equal(decodeUtf8(encodeUtf8(text)), text);
    t.equal(utf8Length(text), bytes(text).length);
  }
  t.same(encodePlainly('a\ud800b'), bytes('a\ud800b'));
  const bad = [
    [0xff],
    [0x80],
    [0xc0, 0x80],
    [0xe0, 0x80, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5],
    [0xe2, 0x82],
  ];
  for (const sequence of bad) {
    t.equal(
      badByteAt(() => decodeUtf8(Uint8Array.from([0x61, ...sequence]))),
      1,
      String(sequence),
    );
    t.equal(
      badByteAt(() => decodePlainly(Uint8Array.from([0x61, ...sequence]))),
      1,
      String(sequence),
    );
  }
});

function badByteAt(decode: () => unknown): number | undefined {
  try {
    decode();
  } catch (error) {
    if (error instanceof Utf8Error) return error.offset;
    throw error;
  }
  return undefined;
}

const ALPHABET = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '"a"',
  '\\',
  '\\u',
  '0',
  '1',
  '-',
  '.',
  'e',
  ' ',
  '\n',
  'true',
  'null',
  'é',
  '😀',
  '\u0000',
];

test('random texts: accepted and understood exactly as JSON.parse does', async (t) => {
  const random = randomFrom(1);
  let accepted = 0;
  for (let round = 0; round < 60_000; round++) {
    const text = Array.from({ length: 1 + random(8) }, () => ALPHABET[random(ALPHABET.length)]).join('');
    const ours = attempt(() => jsonToPlain(parseJson(text)));
    const theirs = attempt(() => JSON.parse(text) as unknown);
    if ('value' in ours) accepted++;
    if (!sameOutcome(ours, theirs)) t.fail(`disagree on ${JSON.stringify(text)}`);
  }
  t.ok(accepted > 300, `${accepted} valid texts among them`);
});

test('random values survive the round trip, and agree with JSON.stringify on what both can say', async (t) => {
  const random = randomFrom(2);
  for (let round = 0; round < 3000; round++) {
    const value = randomValue(random, 5);
    const text = stringifyJson(value);
    if (!jsonEquals(parseJson(text), value)) t.fail(`not itself: ${text}`);
    if (stringifyJson(parseJson(text)) !== text) t.fail(`not canonical: ${text}`);
    t.same(JSON.parse(text), JSON.parse(JSON.stringify(jsonToPlain(value))));
  }
});

function attempt(read: () => unknown): { value: unknown } | { error: unknown } {
  try {
    return { value: read() };
  } catch (error) {
    if (error instanceof JsonError || error instanceof SyntaxError) return { error };
    throw error;
  }
}

function sameOutcome(
  ours: { value: unknown } | { error: unknown },
  theirs: { value: unknown } | { error: unknown },
): boolean {
  if ('error' in ours || 'error' in theirs) return 'error' in ours && 'error' in theirs;
  return JSON.stringify(ours.value) === JSON.stringify(theirs.value);
}

function randomValue(random: Random, levels: number): JsonValue {
  switch (random(levels > 0 ? 8 : 6)) {
    case 0:
      return null;
    case 1:
      return random(2) === 0;
    case 2:
      return new JsonNumber(
        `${random(2) === 0 ? '-' : ''}${1 + random(1_000_000)}${random(2) === 0 ? `.${random(1000)}` : ''}`,
      );
    case 3:
      return JsonNumber.from(BigInt(random(2 ** 31)) * BigInt(random(2 ** 31)) * 3n);
    case 4:
    case 5:
      return randomText(random);
    case 6:
      return Array.from({ length: random(5) }, () => randomValue(random, levels - 1));
    default:
      return new Map(Array.from({ length: random(5) }, () => [randomText(random), randomValue(random, levels - 1)]));
  }
}

function randomText(random: Random): string {
  return Array.from({ length: random(6) }, () =>
    String.fromCodePoint(random(3) === 0 ? random(0xd800) : 0x20 + random(96)),
  ).join('');
}

test('UTF-8 order is the order of the encoded bytes', async (t) => {
  const random = randomFrom(3);
  for (let round = 0; round < 2000; round++) {
    const [a, b] = [
      randomText(random) + (random(3) === 0 ? '😀' : ''),
      randomText(random) + (random(3) === 0 ? '\uffee' : ''),
    ];
    if (Math.sign(compareUtf8(a, b)) !== Math.sign(Buffer.compare(bytes(a), bytes(b)))) t.fail(JSON.stringify([a, b]));
  }
  t.equal(compareUtf8('a', 'a'), 0);
});
