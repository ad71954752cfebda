import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { parsePolicies } from './policies.ts';
import { policy, problems } from './test-policies.ts';

test('what is no map is refused in the words scripts know', async (t) => {
  t.same(problems('[]'), ['1:1 invalid type: sequence, expected a map']);
  t.same(problems('null'), ['1:1 invalid type: unit value, expected a map']);
  t.same(problems('hello'), ['1:1 invalid type: string "hello", expected a map']);
  t.same(problems('17'), ['1:1 invalid type: integer `17`, expected a map']);
  t.match(problems('"": {module: m}'), [/Not a valid Policy ID: /]);
});

test('duplicate keys and numeric names pass, the last one wins', async (t) => {
  t.equal(policy('1: {module: a}\n1: {module: b}').source.module, 'b');
  t.equal(policy('1: {module: a}').id, '1');
  t.equal(policy('true: {module: a}').id, 'true');
  t.equal(policy('p: {module: a, module: b}').source.module, 'b');
});

test('what could mean something else than it seems is refused', async (t) => {
  t.match(problems('p: {module: m}\n---\nq: {module: m}\n'), [/expected one YAML document, got several/]);
  t.match(problems('p: !policy {module: m}'), [/1:\d+ YAML tags are not supported, got "!policy"/]);
  t.match(problems('p: {module: !!binary aGk=}'), [/YAML tags are not supported/]);
  t.match(problems('a: &a {module: m}\nb:\n  <<: *a\n'), [/3:3 merge keys \(<<\) are not supported/]);
  t.match(problems('p: {module: m'), [/1:\d+ /]);
  t.match(problems('p: *nowhere'), ['1:4 alias without an anchor before it']);
});

test('aliases may repeat values but not multiply them without bound', async (t) => {
  const { entries, problems: none } = parsePolicies('a: &a {module: m, settings: {x: 1}}\nb: *a\n');
  t.same(none, []);
  t.same(
    entries.map(({ id }) => id),
    ['a', 'b'],
  );
  const bomb = ['x0: &x0 [1,1,1,1,1,1,1,1,1,1]'];
  for (let i = 1; i < 12; i++)
    bomb.push(
      `x${i}: &x${i} [${Array(10)
        .fill(`*x${i - 1}`)
        .join(',')}]`,
    );
  const start = performance.now();
  t.match(problems(bomb.join('\n')), [/aliases expand to more than 100000 values/]);
  t.match(problems('a: &a [*a]'), [/nested deeper than 127 levels/]);
  t.ok(performance.now() - start < 2000);
});

test('depth is bounded', async (t) => {
  for (const depth of [200, 5000, 20_000]) {
    const found = problems(`p: ${'['.repeat(depth)}${']'.repeat(depth)}`);
    t.match(found.at(-1), /nested/, String(depth));
  }
});

test('fuzz: no text makes the reader throw or hang', async (t) => {
  const seed = `
p: &a {module: "file:///p.wasm", policyMode: monitor, settings: {a: [1, 2.5, "x"], b: ~}, hostCapabilities: ["oci/*"]}
g:
  expression: "a() && !b()"
  message: |
    no
  policies:
    a: {module: m, timeoutEvalSeconds: 5, contextAwareResources: [{apiVersion: v1, kind: Pod}]}
    b: *a
`;
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '&a',
    '*a',
    '!t',
    '<<: ',
    '---\n',
    '\n',
    ' ',
    '\t',
    '"',
    "'",
    '|',
    '>',
    '#',
    '? ',
    '- ',
    '%',
    '\u0000',
    '\ud800',
    '0x',
    '1e999',
    '.nan',
  ];
  const random = randomFrom(0x5eed);
  const untilMs = performance.now() + 1500;
  let runs = 0;
  for (; runs < 3000 && performance.now() < untilMs; runs++) {
    let text = seed;
    for (let edits = 1 + random(6); edits > 0; edits--) {
      const at = random(text.length);
      text = text.slice(0, at) + (pieces[random(pieces.length)] ?? '') + text.slice(at + random(4));
    }
    const { problems, entries } = parsePolicies(text);
    for (const { position, message } of problems) {
      if (!(position.line >= 1 && position.column >= 1 && message.length > 0))
        t.fail(JSON.stringify({ text, position, message }));
    }
    if (problems.length === 0 && entries.length > 12) t.fail(`too many entries: ${text}`);
  }
  t.ok(runs > 100, `${runs} runs`);
});
