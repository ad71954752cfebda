import { test } from 'tap';
import type { SettingsProblem } from '../errors.ts';
import { SettingsError } from '../errors.ts';
import { parseSettings } from './schema.ts';
import type { Schema } from './schema.ts';
import { schema } from './schema-builder.ts';

function problemsOf(settings: Schema<unknown>, value: unknown): readonly SettingsProblem[] {
  try {
    parseSettings(settings, value);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

const messages = (settings: Schema<unknown>, value: unknown) =>
  problemsOf(settings, value).map(({ path, message }) => `${path}: ${message}`);

test('values are read, defaults filled in', (t) => {
  const settings = schema.object({
    text: schema.string(),
    flag: schema.boolean().default(true),
    list: schema.list(schema.integer({ min: 0 })).default([]),
    maybe: schema.number().optional(),
    choice: schema.oneOf('a', 'b').default('b'),
    map: schema.record(schema.string()).default(new Map()),
  });
  t.same(parseSettings(settings, { text: 'x' }), {
    text: 'x',
    flag: true,
    list: [],
    maybe: undefined,
    choice: 'b',
    map: new Map(),
  });
  const full = { text: '', flag: false, list: [1, 2], maybe: 1.5, choice: 'a', map: { k: 'v' } };
  t.same(parseSettings(settings, full), { ...full, map: new Map([['k', 'v']]) });
  t.same(
    parseSettings(settings, { text: 'x', flag: null, maybe: null }),
    parseSettings(settings, { text: 'x' }),
    'null is absent',
  );
  t.same(parseSettings(schema.object({}), null), {}, 'no settings at all');
  t.end();
});

test('every problem is reported with its path, and no value is repeated', (t) => {
  const settings = schema.object({
    name: schema.string({ minLength: 2, maxLength: 4 }),
    nested: schema.object({ items: schema.list(schema.object({ port: schema.integer({ min: 1, max: 65535 }) })) }),
    labels: schema.record(schema.string()),
  });
  const value = {
    name: 'secret-value',
    nested: { items: [{ port: 0 }, { port: 80 }, { port: 1.5 }, 'x', { prot: 1 }] },
    labels: { 'a.b/c': 1, plain: null },
    extra: 'secret-value',
  };
  t.same(messages(settings, value), [
    'settings.extra: unknown key, expected name, nested, labels',
    'settings.name: must have at most 4 characters, has 12',
    'settings.nested.items[0].port: must be between 1 and 65535',
    'settings.nested.items[2].port: must be an integer between -(2^53 - 1) and 2^53 - 1',
    'settings.nested.items[3]: expected an object, got a string',
    'settings.nested.items[4].prot: unknown key, expected port',
    'settings.nested.items[4].port: is required',
    'settings.labels["a.b/c"]: expected a string, got a number',
    'settings.labels.plain: expected a string, got null',
  ]);
  t.notMatch(messages(settings, value).join(), /secret/);
  t.end();
});

test('each schema says what it expects', (t) => {
  const cases: [Schema<unknown>, value: unknown, message: string][] = [
    [schema.string(), 1, 'expected a string, got a number'],
    [schema.string({ minLength: 1 }), '', 'must not be empty'],
    [schema.string({ minLength: 3 }), 'ab', 'must have at least 3 characters'],
    [schema.boolean(), 'true', 'expected true or false, got a string'],
    [schema.number({ min: 1 }), 0, 'must be at least 1'],
    [schema.number({ max: 1 }), 2, 'must be at most 1'],
    [schema.number(), [], 'expected a number, got a list'],
    [schema.integer(), 2 ** 53, 'must be an integer between -(2^53 - 1) and 2^53 - 1'],
    [schema.oneOf('a', 'b'), 'c', 'must be one of "a", "b"'],
    [schema.oneOf('a', 'b'), {}, 'expected one of "a", "b", got an object'],
    [schema.list(schema.string(), { minItems: 1 }), [], 'must have at least 1 item'],
    [schema.list(schema.string(), { maxItems: 1 }), ['a', 'b'], 'must have at most 1 items, has 2'],
    [schema.list(schema.string()), { 0: 'a', length: 1 }, 'expected a list, got an object'],
    [schema.object({}), [], 'expected an object, got a list'],
  ];
  for (const [part, value, message] of cases) {
    t.same(messages(schema.object({ v: part }), { v: value }), [`settings.v: ${message}`]);
  }
  t.end();
});

test('check and map add conditions and parse values; their errors are problems of the setting', (t) => {
  const even = schema.integer().check((value) => (value % 2 === 0 ? undefined : 'must be even'));
  t.same(messages(schema.object({ v: even }), { v: 3 }), ['settings.v: must be even']);
  const url = schema.string().map((text) => {
    if (!text.startsWith('https://')) throw new Error('must begin with https://');
    return { host: text.slice(8) };
  });
  t.same(parseSettings(schema.object({ urls: schema.list(url) }), { urls: ['https://a'] }), { urls: [{ host: 'a' }] });
  t.same(messages(schema.object({ urls: schema.list(url) }), { urls: ['https://a', 'b'] }), [
    'settings.urls[1]: must begin with https://',
  ]);
  const withDefault = schema.object({
    v: schema
      .string()
      .default('https://d')
      .map((text) => text.length)
      .check((length) => (length > 3 ? undefined : 'short')),
  });
  t.same(parseSettings(withDefault, {}), { v: 9 });
  t.end();
});

test('keys with names of built-in properties are keys like any other', (t) => {
  const hostile: unknown = JSON.parse('{"__proto__":{"flag":true},"constructor":"x"}');
  t.same(messages(schema.object({ flag: schema.boolean().default(false) }), hostile), [
    'settings.__proto__: unknown key, expected flag',
    'settings.constructor: unknown key, expected flag',
  ]);
  const labels = parseSettings(schema.record(schema.string()), JSON.parse('{"__proto__":"x"}')) as Map<string, string>;
  t.same([...labels], [['__proto__', 'x']]);
  t.same(messages(schema.object({ toString: schema.string() }), {}), ['settings.toString: is required']);
  t.end();
});

test('settings with thousands of mistakes give a message of bounded length', (t) => {
  const settings = schema.object({ list: schema.list(schema.integer()) });
  const value = { list: Array.from({ length: 1000 }, () => 'x') };
  t.equal(problemsOf(settings, value).length, 1000);
  t.throws(() => parseSettings(settings, value), { message: /; and 980 more$/ });
  t.end();
});
