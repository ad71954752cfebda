import { JsonNumber, parseJson, stringifyJson, type JsonValue } from '@portcullis/protocol';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { YamlError, YamlTagged, type YamlNode } from './node.ts';
import { parseYaml, parseYamlDocuments } from './reader.ts';
import { stringifyYaml } from './writer.ts';

function read(text: string, duplicateKeys: 'refuse' | 'last-wins' = 'last-wins'): string {
  return stringifyJson(parseYaml(text, { duplicateKeys }).value);
}

test('reads plain scalars by the YAML 1.2 core schema', async (t) => {
  const cases: [string, string][] = [
    ['0x1f', '31'],
    ['-0x10', '-16'],
    ['0o17', '15'],
    ['0b11', '3'],
    ['0o9', '"0o9"'],
    ['017', '"017"'],
    ['1_000', '"1_000"'],
    ['yes', '"yes"'],
    ['2020-01-01', '"2020-01-01"'],
    ['.nan', 'null'],
    ['-.inf', 'null'],
    ['~', 'null'],
    ['', 'null'],
    ['1e3', '1000.0'],
    ['1.10', '1.1'],
    ['.5', '0.5'],
    ['-0.0', '-0.0'],
    ['+5', '5'],
    ['1e400', '"1e400"'],
    ['9007199254740993', '9007199254740993'],
    ['18446744073709551615', '18446744073709551615'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['!!str 12', '"12"'],
    ['!!binary aGk=', '"aGk="'],
    ['"1"', '"1"'],
    ['True', 'true'],
    ['FALSE', 'false'],
  ];
  for (const [text, expected] of cases) t.equal(read(`k: ${text}`), `{"k":${expected}}`, text);
});

test('reads keys as their text and `<<` as an ordinary key', async (t) => {
  t.equal(read('1: a\ntrue: b\n~: c\n<<: {z: 1}'), '{"1":"a","<<":{"z":1},"true":"b","~":"c"}');
  t.equal(read('a: &x [1]\nb: *x'), '{"a":[1],"b":[1]}');
  t.same([...(parseYaml('__proto__: 1').value as Map<string, JsonValue>).keys()], ['__proto__']);
});

test('keeps the last of duplicate keys in data, refuses them in known structures', async (t) => {
  t.equal(read('k: 1\nk: 2'), '{"k":2}');
  t.throws(() => read('k: 1\nk: 2', 'refuse'), { message: 'duplicate field `k` at line 2 column 1' });
});

test('names path, line and column of what it refuses', async (t) => {
  t.throws(() => read('a: {b: [1, {c: 18446744073709551616}]}'), {
    message: 'a.b[1].c: JSON number out of range at line 1 column 16',
  });
  t.throws(() => read('a: !foo bar'), { message: /^a: unexpected tag !foo at line 1/ });
  t.throws(() => read('a: 1\n---\nb: 2'), {
    message: 'deserializing from YAML containing more than one document is not supported',
  });
  t.throws(() => read('a: [1'), { message: /at line 1 column 6$/ });
  t.throws(() => read('a: *nope'), YamlError);
  t.throws(() => read('? [a]\n: b'), YamlError);
});

test('takes scalars as they are written where they are known to be text', async (t) => {
  const { value } = parseYaml('version: 1.10\nnone: null\nmaybe: ~\nlist: [1.0, true]\nn: 0x10', {
    textAt: ([name, index]) =>
      name === 'n' || (name === 'list' && index === 1) ? 'never' : name === 'maybe' ? 'unless-null' : 'always',
  });
  t.equal(stringifyJson(value), '{"list":["1.0",true],"maybe":null,"n":16,"none":"null","version":"1.10"}');
});

test('refuses documents that grow without bound', async (t) => {
  const bomb = 'abcdefg'
    .split('')
    .map(
      (name, i) =>
        `${name}: &${name} [${Array.from({ length: 10 }, () => (i === 0 ? 'x' : `*${'abcdefg'.charAt(i - 1)}`)).join(', ')}]`,
    );
  t.throws(() => read(bomb.join('\n')), { message: /repetition limit exceeded/ });
  t.throws(() => read('a: &a [*a]'), YamlError);
  t.throws(() => read(`${'['.repeat(200)}${']'.repeat(200)}`), { message: /recursion limit exceeded/ });
  t.throws(() => read('['.repeat(50_000)), YamlError);
});

test('reads several documents and a tag at the root', async (t) => {
  const values = parseYamlDocuments('a: 1\n---\n---\nb: 2').map(({ value }) => stringifyJson(value));
  t.same(values, ['{"a":1}', 'null', '{"b":2}']);
  t.same(parseYamlDocuments(''), []);
  const tagged = parseYaml('!KubernetesGetResource\nkind: Namespace\n', { rootTag: true });
  t.equal(tagged.tag, 'KubernetesGetResource');
  t.equal(stringifyJson(tagged.value), '{"kind":"Namespace"}');
});

test('writes scalars plain where that is safe, quoted or as a block otherwise', async (t) => {
  const cases: [string, string][] = [
    ['yes', 'yes'],
    ['2020-01-01', '2020-01-01'],
    ['12:30:45', '12:30:45'],
    ['1.2.3', '1.2.3'],
    ['1_000', '1_000'],
    ['=', '='],
    ['<<', '<<'],
    ['-a', '-a'],
    ['a:b', 'a:b'],
    ['a#b', 'a#b'],
    ['😀', '😀'],
    ['\u00a0', '\u00a0'],
    ["it's", "it's"],
    ['', "''"],
    ['*', "'*'"],
    ["'", "''''"],
    ['true', "'true'"],
    ['~', "'~'"],
    ['Null', "'Null'"],
    ['---', "'---'"],
    ['017', "'017'"],
    ['.5', "'.5'"],
    ['.inf', "'.inf'"],
    ['1e3', "'1e3'"],
    [' x', "' x'"],
    ['x ', "'x '"],
    ['a: b', "'a: b'"],
    ['a:', "'a:'"],
    ['a #b', "'a #b'"],
    ['{"a":1}', '\'{"a":1}\''],
    ['tab\there', '"tab\\there"'],
    ['a\rb', '"a\\rb"'],
    ['\u0007\u0085\ufeff', '"\\a\\N\\uFEFF"'],
    ['space \nbreak', '"space \\nbreak"'],
    ['two\nlines', '|-\n  two\n  lines'],
    ['two\nlines\n', '|\n  two\n  lines'],
    ['two\n\n', '|+\n  two\n'],
    [' lead\nx', '|2-\n   lead\n  x'],
    ['\nx', '|2-\n\n  x'],
  ];
  for (const [text, expected] of cases) {
    t.equal(stringifyYaml(new Map([['k', text]])), `k: ${expected}\n`, JSON.stringify(text));
  }
});

test('writes collections, long keys and tags as serde_yaml does', async (t) => {
  const node: YamlNode = new Map<string, YamlNode>([
    ['empty', []],
    ['none', new Map()],
    [
      'list',
      [
        'a',
        ['b', 'c'],
        new Map<string, YamlNode>([
          ['x', 'y'],
          ['z', ['q']],
        ]),
      ],
    ],
    ['n', new JsonNumber('1e16')],
    ['null', null],
    ['k'.repeat(129), true],
    ['tag', new YamlTagged('equal', 'x')],
    [
      'tags',
      [
        new YamlTagged(
          'E',
          new Map([
            ['a', 'b'],
            ['c', 'd'],
          ]),
        ),
      ],
    ],
  ]);
  t.equal(
    stringifyYaml(node),
    [
      'empty: []',
      'none: {}',
      'list:',
      '- a',
      '- - b',
      '  - c',
      '- x: y',
      '  z:',
      '  - q',
      'n: 1e16',
      "'null': null",
      `? ${'k'.repeat(129)}`,
      ': true',
      'tag: !equal x',
      'tags:',
      '- !E',
      '  a: b',
      '  c: d',
      '',
    ].join('\n'),
  );
  t.equal(stringifyYaml(new YamlTagged('Get', new Map([['a', null]]))), '!Get\na: null\n');
});

const PIECES = [
  'a',
  ' ',
  '\n',
  ':',
  '#',
  '-',
  "'",
  '"',
  '\\',
  '0',
  '1',
  '.',
  'e',
  '~',
  '\t',
  '\r',
  '😀',
  '\u0085',
  '!',
  '*',
  '&',
  '|',
  '>',
  '%',
  '{',
  '[',
  ',',
  '?',
  '\u2028',
  '\ufeff',
  'true',
  'null',
  '---',
];

test('what it writes it reads back: 1,000 random documents', async (t) => {
  const random = randomFrom(20_261);
  const text = (): string => Array.from({ length: random(6) }, () => PIECES[random(PIECES.length)]).join('');
  const value = (depth: number): JsonValue => {
    const kind = random(10);
    if (depth > 3 || kind < 5) return text();
    if (kind < 6) return [null, true, new JsonNumber('12'), new JsonNumber('1.5e300')][random(4)] ?? null;
    const size = random(4);
    if (kind < 8) return Array.from({ length: size }, () => value(depth + 1));
    return new Map(Array.from({ length: size }, () => [text(), value(depth + 1)]));
  };
  for (let round = 0; round < 1000; round++) {
    const json = stringifyJson(value(0));
    const yaml = stringifyYaml(parseJson(json));
    try {
      const back = stringifyJson(parseYaml(yaml, { duplicateKeys: 'last-wins' }).value);
      if (back !== json) return t.equal(back, json, yaml);
    } catch (error) {
      return t.fail(`${String(error)}: ${JSON.stringify(yaml)}`);
    }
  }
  return t.pass('all read back');
});

test('random text never does worse than a YamlError', async (t) => {
  const random = randomFrom(7);
  for (let round = 0; round < 1500; round++) {
    const text = Array.from({ length: random(30) }, () => PIECES[random(PIECES.length)]).join('');
    try {
      parseYamlDocuments(text, { rootTag: random(2) === 0 });
    } catch (error) {
      if (!(error instanceof YamlError)) return t.fail(`${String(error)} on ${JSON.stringify(text)}`);
    }
  }
  return t.pass('no other error');
});
