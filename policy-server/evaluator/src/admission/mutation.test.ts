import { test } from 'tap';
import { jsonEquals, JsonNumber, parseJson, stringifyJson, type JsonValue } from '@portcullis/protocol';
import { type Random, randomFrom } from '@portcullis/testkit';
import { createPatch, type PatchOperation } from './mutation.ts';
import { patchText } from './test-answer.ts';

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
