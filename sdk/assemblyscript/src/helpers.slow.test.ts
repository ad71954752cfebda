import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type ASUtil, instantiate } from '@assemblyscript/loader';
import { parseValidationResponse, parseSettingsValidationResponse, stringifyJson } from '@portcullis/protocol';
import { type Random, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { compile } from './compile.ts';

type Pointer = number;

/** What fixtures/helpers.ts exports: strings and lists are pointers into its memory, made and read by the loader. */
interface Helpers extends Record<string, unknown> {
  readonly StringArray: WebAssembly.Global;
  jsonGet(text: Pointer, path: Pointer): Pointer;
  jsonGetString(text: Pointer, path: Pointer): Pointer;
  jsonLength(text: Pointer, path: Pointer): number;
  jsonKeys(text: Pointer, path: Pointer): Pointer;
  jsonSet(text: Pointer, path: Pointer, value: Pointer): Pointer;
  jsonRemove(text: Pointer, path: Pointer): Pointer;
  quote(text: Pointer): Pointer;
  settingsResponse(problem: Pointer): Pointer;
  response(kind: Pointer, text: Pointer, code: number, warnings: Pointer, annotations: Pointer): Pointer;
  failureHasNoVerdict(text: Pointer): number;
  describe(request: Pointer): Pointer;
  images(request: Pointer): Pointer;
}

const entry = fileURLToPath(new URL('../fixtures/helpers.ts', import.meta.url));
const { exports } = await instantiate<Helpers>(await compile({ entry, flags: ['--exportRuntime'] }));
const as: ASUtil & Helpers = exports;

const text = (value: string): Pointer => as.__pin(as.__newString(value));
const list = (values: readonly string[]): Pointer =>
  as.__pin(as.__newArray(Number(as.StringArray.value), values.map(text)));
const textAt = (pointer: Pointer): string | null => as.__getString(pointer);
const listAt = (pointer: Pointer): (string | null)[] => as.__getArray(pointer).map(textAt);

const jsonGet = (json: string, path: readonly string[]): string | null => textAt(as.jsonGet(text(json), list(path)));
const jsonSet = (json: string, path: readonly string[], value: string): string | null =>
  textAt(as.jsonSet(text(json), list(path), text(value)));
const jsonRemove = (json: string, path: readonly string[]): string | null =>
  textAt(as.jsonRemove(text(json), list(path)));

test('jsonGet finds values by path, in objects and lists', async (t) => {
  const json = ' {"a" : {"b":[1, {"c":"]}\\"" } ,null]}, "ü\\n" : 1e400, "":true, "a/b":-0.0}';
  t.equal(jsonGet(json, ['a', 'b', '1']), '{"c":"]}\\"" }');
  t.equal(jsonGet(json, ['a', 'b', '1', 'c']), '"]}\\""');
  t.equal(jsonGet(json, ['a', 'b', '2']), 'null');
  t.equal(jsonGet(json, ['ü\n']), '1e400', 'an escaped key; the number keeps its spelling');
  t.equal(jsonGet(json, ['']), 'true');
  t.equal(jsonGet(json, ['a/b']), '-0.0');
  t.equal(jsonGet(json, ['a', 'b', '3']), null);
  t.equal(jsonGet(json, ['missing', 'deeper']), null);
  t.equal(jsonGet('[]', []), '[]');
  t.equal(textAt(as.jsonGetString(text(json), list(['a', 'b', '1', 'c']))), ']}"');
  t.equal(textAt(as.jsonGetString(text(json), list(['']))), null, 'no string');
  t.equal(as.jsonLength(text(json), list(['a', 'b'])), 3);
  t.equal(as.jsonLength(text(json), list(['a'])), 0);
  t.same(listAt(as.jsonKeys(text(json), list([]))), ['a', 'ü\n', '', 'a/b']);
  t.same(listAt(as.jsonKeys(text(json), list(['a', 'b']))), [], 'a list has no keys');
});

test('a mutation leaves everything else as it was, byte for byte', async (t) => {
  const json = '{"n":12345678901234567890, "f":1.0,"unknown":{"x":[1e3, {}]},"metadata":{"labels":null}}';
  t.equal(
    jsonSet(json, ['metadata', 'labels', 'team'], '"a"'),
    '{"n":12345678901234567890, "f":1.0,"unknown":{"x":[1e3, {}]},"metadata":{"labels":{"team":"a"}}}',
  );
  t.equal(jsonSet('{}', ['a', 'b"', 'c'], '1'), '{"a":{"b\\"":{"c":1}}}');
  t.equal(jsonSet('{"a":[1, 2]}', ['a', '1'], '3'), '{"a":[1, 3]}');
  t.equal(jsonSet('{"a":[1]}', ['a', '1'], '2'), '{"a":[1,2]}');
  t.equal(jsonSet('{"a":[]}', ['a', '0', 'b'], '2'), '{"a":[{"b":2}]}');
  t.equal(jsonSet('1', [], '2'), '2');
  t.equal(jsonRemove('{"a":1, "b":2,"c":3}', ['b']), '{"a":1,"c":3}');
  t.equal(jsonRemove('{"a":1 , "b":2}', ['a']), '{ "b":2}');
  t.equal(jsonRemove('{"a":[{"b":1}]}', ['a', '0', 'b']), '{"a":[{}]}');
  t.equal(jsonRemove('{"a":1}', ['x', 'y']), '{"a":1}');
});

test('what cannot be done ends the evaluation', async (t) => {
  const impossible: (() => unknown)[] = [
    () => jsonSet('{"a":"text"}', ['a', 'b'], '1'),
    () => jsonSet('{"a":[]}', ['a', '5'], '1'),
    () => jsonGet('{"a":', ['a']),
    () => jsonGet('{"a" 1}', ['a']),
    () => jsonGet('{"a":"x', ['a']),
    () => jsonGet('', []),
  ];
  for (const attempt of impossible)
    t.throws(attempt, /neither object nor list|no index|malformed JSON/, attempt.toString());
});

test('jsonGet, jsonSet and jsonRemove agree with JavaScript on random documents', async (t) => {
  const random = randomFrom(7);
  const deadline = performance.now() + 1500;
  const wrong: unknown[] = [];
  const check = (found: string | null, expected: unknown): void => {
    if (canonical(found) !== canonical(JSON.stringify(expected))) wrong.push({ found, expected });
  };
  let checked = 0;
  for (; checked < 2000 && performance.now() < deadline; checked++) {
    const document = randomValue(random, 4);
    const json = JSON.stringify(document, null, checked % 3);
    const path = randomPath(random, document);
    const value = randomValue(random, 1);
    const expected: unknown = path.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], document);
    check(jsonGet(json, path), expected);
    check(jsonSet(json, path, JSON.stringify(value)), replaced(document, path, value));
    if (path.length > 0) check(jsonRemove(json, path), replaced(document, path, undefined));
  }
  t.same(wrong, []);
  t.ok(checked > 50, `${checked} documents`);
});

test('strings are escaped as JSON demands', async (t) => {
  for (const value of [
    '',
    'plain',
    '"\\/\b\f\n\r\t',
    '\u0000\u0007\u001f\u007f',
    'ü€😀\u2028',
    'x'.repeat(5000),
    '\ud800',
  ]) {
    t.equal(JSON.parse(textAt(as.quote(text(value))) ?? ''), value, `${value.length} characters`);
  }
  // Wherever in a string a character outside the BMP stands: its halves belong together.
  for (const before of Array.from({ length: 9 }, (_, length) => 'é'.repeat(length))) {
    for (const value of [`${before}😀`, `${before}"😀😀`, `${before}\uffff😀\n`]) {
      const quoted = textAt(as.quote(text(value)));
      t.equal(quoted, JSON.stringify(value));
      const response = textAt(as.response(text('reject'), text(value), 0, list([value]), list([])));
      t.ok(response?.isWellFormed() && response.includes(`"message":${quoted}`), `${response}`);
    }
  }
});

test('requests say who wants what', async (t) => {
  const request = {
    uid: 'u-1',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    operation: 'CREATE',
    name: 'näme',
    namespace: 'default',
    userInfo: { username: 'alice' },
    object: {
      spec: {
        unknown: { deep: [1] },
        hostNetwork: true,
        containers: [{ name: 'a', image: 'nginx:1' }, { image: 'ü' }],
      },
    },
  };
  const json = JSON.stringify(request);
  t.same(listAt(as.describe(text(json))), ['u-1', 'CREATE', 'Pod', 'default', 'näme', 'alice', 'some']);
  t.same(listAt(as.images(text(json))), ['nginx:1', 'ü']);
  t.same(listAt(as.describe(text('{"uid":"u","name":null}'))), ['u', '', '', '', '', '', 'none']);
  t.throws(() => as.images(text('{"uid":"u"}')), /the request carries no object/);
});

interface Golden {
  readonly kind: string;
  readonly text: string;
  readonly code: number;
  readonly warnings: readonly string[];
  readonly annotations: readonly string[];
  readonly response: string;
}

test('responses are those of the golden file, and the host understands them', async (t) => {
  const goldens: readonly Golden[] = JSON.parse(
    await readFile(new URL('../fixtures/golden-responses.json', import.meta.url), 'utf8'),
  );
  for (const golden of goldens) {
    const made = as.response(
      text(golden.kind),
      text(golden.text),
      golden.code,
      list(golden.warnings),
      list(golden.annotations),
    );
    t.equal(textAt(made), golden.response);
    const parsed = parseValidationResponse(new TextEncoder().encode(golden.response));
    t.equal(parsed.accepted, golden.kind !== 'reject');
    t.equal(parsed.message, golden.kind === 'reject' ? golden.text : undefined);
    t.equal(parsed.code, golden.code === 0 ? undefined : golden.code);
    t.same(parsed.warnings ?? [], golden.warnings);
    t.same(Object.entries(parsed.auditAnnotations ?? {}).flat(), golden.annotations);
    const mutated = parsed.mutatedObject;
    t.equal(mutated === undefined ? '' : stringifyJson(mutated), golden.kind === 'mutate' ? golden.text : '');
  }
  t.equal(as.failureHasNoVerdict(text('x')), 1);
});

test('settings are valid or refused with a reason', async (t) => {
  const parse = (pointer: Pointer): unknown =>
    parseSettingsValidationResponse(new TextEncoder().encode(textAt(pointer) ?? ''));
  t.match(parse(as.settingsResponse(0)), { valid: true });
  t.match(parse(as.settingsResponse(text('näh\n"no"'))), { valid: false, message: 'näh\n"no"' });
});

function canonical(json: string | null): string {
  return JSON.stringify(JSON.parse(json ?? 'null'));
}

function randomValue(random: Random, depth: number): unknown {
  const pick = random(depth > 0 ? 8 : 6);
  if (pick < 6) return [null, true, random(1e6), random(2 ** 32) / 2 ** 32 - 0.5, 'te"x\\t\n', 'ü}]{['][pick];
  const size = random(4);
  if (pick === 6) return Array.from({ length: size }, () => randomValue(random, depth - 1));
  return Object.fromEntries(
    Array.from({ length: size }, (_, n) => [['a', 'b"', 'ü\\', '1x'][n], randomValue(random, depth - 1)]),
  );
}

/** A path that exists. */
function randomPath(random: Random, value: unknown): string[] {
  if (typeof value !== 'object' || value === null || random(5) === 0) return [];
  const keys = Object.keys(value);
  const key = keys[random(keys.length)];
  return key === undefined ? [] : [key, ...randomPath(random, (value as Record<string, unknown>)[key])];
}

/** A copy with another value at the path; `undefined` removes it. */
function replaced(document: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const copy = structuredClone(document) as Record<string, unknown>;
  const inner = replaced(copy[key], rest, value);
  if (rest.length === 0 && value === undefined) {
    if (Array.isArray(copy)) copy.splice(Number(key), 1);
    else delete copy[key];
  } else copy[key] = inner;
  return copy;
}
