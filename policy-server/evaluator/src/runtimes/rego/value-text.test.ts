import { test } from 'tap';
import { compareValues, RegoNumber, RegoSet, valuesEqual } from './value.ts';
import { parseValue, printValue, ValueSyntaxError } from './value-text.ts';

test('values of Rego survive reading and writing', (t) => {
  const texts = [
    'null',
    'true',
    '"a\\"\\\\"',
    '[]',
    '{}',
    'set()',
    '{1}',
    '{"a":{1,2}}',
    '{[1]:{},{"x":1}:null}',
    '[1.10,-0,1e400]',
    '123456789012345678901234567890',
  ];
  for (const text of texts) t.equal(printValue(parseValue(text), 'rego'), text);
  t.equal(printValue(parseValue('{ "b": {2, 1} , "a": "\\u00e9/" }'), 'rego'), '{"a":"é/","b":{1,2}}');
  t.equal(printValue(parseValue('{1:{true},[2]:set()}'), 'json'), '{"1":[true],"[2]":[]}', 'JSON for old modules');
  t.equal(printValue(`a\ud800`, 'rego'), '"a\ufffd"', 'lone surrogates would end the evaluation');
  t.end();
});

test('a guest’s texts are not trusted', (t) => {
  const bad = [
    '',
    '[',
    '{',
    '"',
    '"\\',
    '"\\"',
    '[1,]',
    '{1:}',
    '{1,2:3}',
    '{"a":1,2}',
    'nul',
    'set(',
    '-',
    '1 2',
    '"\n"',
    'NaN',
    '[1 2]',
  ];
  for (const text of bad) t.ok(isRefused(text), text);
  t.ok(isRefused('['.repeat(100_000)));
  const startedMs = performance.now();
  parseValue(`"${'x'.repeat(5_000_000)}"`);
  t.ok(isRefused(`"${'\\'.repeat(1_000_001)}"`.slice(0, -1)));
  t.ok(performance.now() - startedMs < 2000, 'in linear time, without a stack of its own');
  t.end();
});

test('values are compared by what they are', (t) => {
  const equal: [string, string][] = [
    ['1', '1.0'],
    ['100', '1e2'],
    ['-0', '0'],
    ['{1,1.0}', '{1}'],
    ['{"a":1,"b":2}', '{"b":2,"a":1.0}'],
  ];
  for (const [a, b] of equal) t.ok(valuesEqual(parseValue(a), parseValue(b)), `${a} = ${b}`);
  const ascending = [
    'null',
    'false',
    'true',
    '-1e300',
    '-1',
    '0.5',
    '1',
    '9007199254740992',
    '9007199254740993',
    '1e999999',
  ];
  ascending.push(
    '"a"',
    '"b"',
    '"é"',
    '"\ufb00"',
    '"😀"',
    '[]',
    '[1]',
    '[1,2]',
    '[2]',
    '{}',
    '{"a":1}',
    '{"a":2}',
    'set()',
    '{1}',
    '{2}',
  );
  const values = ascending.map(parseValue);
  const shuffled = values.map((value, i) => ({ value, key: (i * 7919) % 31 })).sort((a, b) => a.key - b.key);
  const sorted = shuffled.map(({ value }) => value).sort(compareValues);
  t.same(
    sorted.map((value) => printValue(value, 'rego')),
    ascending,
  );
  for (const value of values) t.equal(compareValues(value, value), 0);
  t.ok(new RegoSet([RegoNumber.of(1), 'a', null]).has(null));
  t.equal(parseValue('1e2') instanceof RegoNumber && (parseValue('1e2') as RegoNumber).toInteger(), 100n);
  t.equal(new RegoNumber('1.5').toInteger(), undefined);
  t.equal(new RegoNumber('1e999999').toInteger(), undefined, 'too long to write down');
  t.end();
});

function isRefused(text: string): boolean {
  try {
    parseValue(text);
    return false;
  } catch (error) {
    return error instanceof ValueSyntaxError;
  }
}

test('texts are in the order of their code points', (t) => {
  const ordered = ['', 'A', 'a', 'aa', 'ab', 'é', '\uffff', '\u{10000}', '\u{10000}a', '\u{1f600}'];
  const texts = ordered.map((text) => JSON.stringify(text));
  t.equal(printValue(parseValue(`{${texts.toReversed().join()}}`), 'rego'), `{${texts.join()}}`);
  for (const [index, text] of ordered.entries()) {
    for (const [other, another] of ordered.entries()) {
      t.equal(Math.sign(compareValues(text, another)), Math.sign(index - other), `${text} and ${another}`);
    }
  }
  t.end();
});
