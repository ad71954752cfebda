import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readFileSync } from 'node:fs';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { RegoNumber, RegoObject, RegoSet, type RegoValue, valuesEqual } from '../value.ts';
import { parseValue, printValue } from '../value-text.ts';
import { type BuiltinContext, BuiltinError } from './builtin.ts';
import { regoBuiltinNames } from '../../../rego-builtins.ts';
import { BUILTINS, REGO_BUILTIN_NAMES } from './table.ts';

interface Surroundings {
  readonly context: BuiltinContext;
  readonly traced: string[];
}

function surroundings(maxBytes = 1_000_000): Surroundings {
  const traced: string[] = [];
  let seed = 1;
  const context: BuiltinContext = {
    nowNs: () => 1_700_000_000_123_456_789n,
    randomFill: (bytes) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = seed++;
    },
    trace: (message) => traced.push(message),
    memo: new Map(),
    maxBytes,
  };
  return { context, traced };
}

function call(name: string, operands: readonly string[], { context } = surroundings()): RegoValue | undefined {
  const builtin = BUILTINS.get(name);
  if (builtin === undefined) throw new Error(`no builtin ${name}`);
  return builtin(operands.map(parseValue), context);
}

/** The result in Rego's notation, `undefined`, or the text of the error. */
function shown(name: string, ...operands: string[]): string {
  try {
    const result = call(name, operands);
    return result === undefined ? 'undefined' : printValue(result, 'rego');
  } catch (error) {
    if (error instanceof BuiltinError) return `error: ${error.message}`;
    throw error;
  }
}

test('every answer is the one OPA 1.22.0 gave', (t) => {
  // Recorded with `opa eval` on rules of the form `r := name(args[0], …)`, arguments of unknown static type; null stands for
  // undefined, which is how OPA shows an error. Sets come out as arrays.
  const file = new URL('fixtures/opa-answers.json', import.meta.url);
  const answers = JSON.parse(readFileSync(file, 'utf8')) as [name: string, operands: string[], answer: string | null][];
  const wrong: unknown[] = [];
  for (const [name, operands, answer] of answers) {
    const result = shown(name, ...operands);
    const isError = result === 'undefined' || result.startsWith('error: ');
    const same = answer === null || isError ? isError === (answer === null) : sameAsJson(result, answer);
    if (!same) wrong.push({ name, operands, answer, result });
  }
  t.same(wrong, []);
  t.ok(answers.length > 1500);
  t.ok(new Set(answers.map(([name]) => name)).size > 50);
  t.end();
});

function sameAsJson(result: string, answer: string): boolean {
  return valuesEqual(parseValue(printValue(parseValue(result), 'json')), parseValue(answer));
}

test('the examples of the OPA documentation', (t) => {
  const examples: [string, string[], string][] = [
    ['sprintf', ['"%s is %d years"', '["bob",5]'], '"bob is 5 years"'],
    ['regex.template_match', ['"urn:foo:{.*}"', '"urn:foo:bar:baz"', '"{"', '"}"'], 'true'],
    ['regex.find_n', ['"[a-z]+"', '"ab12cd"', '1'], '["ab"]'],
    ['regex.split', ['"/"', '"a/b/c"'], '["a","b","c"]'],
    ['regex.replace', ['"foo-bar"', '"(\\\\w+)-(\\\\w+)"', '"$2 $1"'], '"bar foo"'],
    ['semver.compare', ['"1.0.0"', '"1.0.0-rc1"'], '1'],
    ['units.parse', ['"10Gi"'], '10737418240'],
    ['units.parse', ['"100m"'], '0.1000000000'],
    ['units.parse_bytes', ['"10KiB"'], '10240'],
    ['time.parse_duration_ns', ['"1h30m"'], '5400000000000'],
    ['time.date', ['0'], '[1970,1,1]'],
    ['time.clock', ['[0,"Asia/Tokyo"]'], '[9,0,0]'],
    ['time.weekday', ['0'], '"Thursday"'],
    ['net.cidr_expand', ['"192.168.0.0/30"'], '{"192.168.0.0","192.168.0.1","192.168.0.2","192.168.0.3"}'],
    ['net.cidr_merge', ['["192.0.128.0/24","192.0.129.0/24"]'], '{"192.0.128.0/23"}'],
    ['net.cidr_contains_matches', ['"1.1.1.0/24"', '"1.1.1.128"'], '{["1.1.1.0/24","1.1.1.128"]}'],
    ['urlquery.encode', ['"a b&c"'], '"a+b%26c"'],
    ['urlquery.decode_object', ['"a=value_a1&b=value_b&a=value_a2"'], '{"a":["value_a1","value_a2"],"b":["value_b"]}'],
    ['json.patch', ['{"a":{"foo":1}}', '[{"op":"add","path":"/a/bar","value":2}]'], '{"a":{"bar":2,"foo":1}}'],
    ['object.subset', ['{"a":{"b":1,"c":2}}', '{"a":{"b":1}}'], 'true'],
    ['graph.reachable_paths', ['{"a":["b"],"b":["c"],"c":[]}', '["a"]'], '{["a","b","c"]}'],
  ];
  for (const [name, operands, answer] of examples) t.equal(shown(name, ...operands), answer, name);
  t.end();
});

test('what the reference gets wrong', (t) => {
  t.equal(shown('hex.encode', '"\\n\\u0001"'), '"0a01"', 'bytes below 16 keep their zero');
  t.equal(shown('regex.split', '","', '"a,b"'), '["a","b"]', 'pieces stay apart');
  t.equal(shown('urlquery.encode', '"a b"'), '"a+b"', 'a space is a plus');
  t.equal(shown('urlquery.encode', '"a&b"'), '"a%26b"', 'reserved characters are escaped');
  t.equal(shown('urlquery.decode', '"a=1&b=2"'), '"a=1&b=2"', 'any number of pairs');
  t.equal(shown('urlquery.encode_object', '{"a":["x","y"]}'), '"a=x&a=y"', 'lists too');
  t.equal(shown('urlquery.decode_object', '"a=1"'), '{"a":["1"]}', 'values are lists');
  t.equal(shown('sprintf', '"%v of %.2f"', '[1.5,2.25]'), '"1.5 of 2.25"', 'a float does not panic');
  t.equal(shown('sprintf', '"say \\"%s\\""', '["hi"]'), '"say \\"hi\\""', 'a quote in the format is a quote');
  t.equal(shown('trace', '"x"'), 'true', 'trace is true');
  t.match(
    shown('json.patch', '{}', '[{"op":"nope","path":"/a"}]'),
    /^error: unrecognized op/,
    'a bad patch does not panic',
  );
  for (const name of ['date', 'parse_rfc3339_ns']) t.ok(BUILTINS.has(name) && BUILTINS.has(`time.${name}`), name);
  t.end();
});

test('where OPA is left on purpose', (t) => {
  t.equal(shown('json.patch', '{}', '[{"op":"remove","path":""}]'), 'undefined', 'removing the root: OPA panics');
  t.equal(shown('net.cidr_merge', '["10.0.0.1"]'), '{"10.0.0.0/8"}', 'a network has no host bits');
  t.equal(shown('yaml.marshal', '"<<"'), '"\\"<<\\"\\n"', 'a text that reads as a merge key is quoted');
  t.equal(shown('regex.globs_match', '"a\\\\\\\\*"', '"a*"'), 'true', 'both match "a"');
  t.equal(shown('time.clock', '[0,"Local"]'), '[0,0,0]', 'local time is UTC: verdicts do not depend on the server');
  t.end();
});

test('numbers keep all their digits', (t) => {
  t.equal(shown('sprintf', '"%d"', '[123456789012345678901234567890]'), '"123456789012345678901234567890"');
  t.equal(shown('sprintf', '"%v"', '[[9007199254740993]]'), '"[9007199254740993]"');
  t.equal(
    shown('json.patch', '[9007199254740993]', '[{"op":"add","path":"/-","value":1.10}]'),
    '[9007199254740993,1.10]',
  );
  t.equal(shown('units.parse', '"9007199254740993"'), '9007199254740993');
  t.equal(shown('yaml.unmarshal', '"n: 18446744073709551615"'), '{"n":18446744073709551615}');
  t.equal(shown('yaml.marshal', '{"count":18446744073709551615}'), '"count: 18446744073709551615\\n"');
  t.end();
});

test('what is asked for twice in an evaluation is the same both times', (t) => {
  const one = surroundings();
  const ask = (name: string, ...operands: string[]): unknown => call(name, operands, one);
  t.equal(ask('uuid.rfc4122', '"a"'), ask('uuid.rfc4122', '"a"'));
  t.not(ask('uuid.rfc4122', '"a"'), ask('uuid.rfc4122', '"b"'));
  t.match(ask('uuid.rfc4122', '"a"'), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.same(ask('rand.intn', '"a"', '1000000'), ask('rand.intn', '"a"', '1000000'));
  t.same(ask('rand.intn', '"a"', '0'), RegoNumber.of(0));
  t.same(ask('time.now_ns'), RegoNumber.of(1_700_000_000_123_456_789n));
  t.equal(ask('trace', '"hello"'), true);
  t.same(one.traced, ['hello']);
  t.end();
});

test('refusals say what is wrong', (t) => {
  const refusals: [string, string[], string][] = [
    ['hex.decode', ['"zz"'], "encoding/hex: invalid byte: U+007A 'z'"],
    ['hex.decode', ['1'], 'operand 1 must be string but got number'],
    ['hex.decode', [], 'operand 1 is missing'],
    ['sprintf', ['"x"', '{"a":1}'], 'operand 2 must be array but got object'],
    ['regex.find_n', ['"a"', '"a"', '1.5'], 'operand 3 must be integer number but got floating-point number'],
    ['regex.split', ['"("', '"a"'], 'error parsing regexp: missing closing ): `(`'],
    [
      'regex.template_match',
      ['"a"', '"a"', '"{{"', '"}"'],
      'start delimiter has to be exactly one character long but is 2 long',
    ],
    ['semver.compare', ['"1"', '"1.0.0"'], 'operand 1: string 1 is not a valid SemVer'],
    ['units.parse', ['"1x"'], 'units.parse: unit x not recognized'],
    ['units.parse_bytes', ['"1 kb"'], 'units.parse_bytes: spaces not allowed in resource strings'],
    ['time.parse_rfc3339_ns', ['"x"'], 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'],
    ['time.parse_duration_ns', ['"1"'], 'time: missing unit in duration "1"'],
    ['time.date', ['[0,"Nope/Zone"]'], 'unknown time zone Nope/Zone'],
    ['net.cidr_expand', ['"nope"'], 'invalid CIDR address: nope'],
    ['urlquery.decode', ['"%zz"'], 'invalid URL escape "%zz"'],
    ['json.patch', ['{}', '[{"op":"add","path":"/a/b","value":1}]'], 'path "a" does not exist in object'],
  ];
  for (const [name, operands, message] of refusals) t.equal(shown(name, ...operands), `error: ${message}`, name);
  t.end();
});

test('no builtin can be made to work without end', (t) => {
  const long = (text: string, times: number): string => JSON.stringify(text.repeat(times));
  const bomb = JSON.stringify(
    `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'.replace(/./g, (name) => {
      const before = String.fromCharCode(name.charCodeAt(0) - 1);
      return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join()}]\n`;
    })}`,
  );
  const mesh = Array.from(
    { length: 24 },
    (_, i) => `"${i}":["${i + 1}","${i + 1}x"],"${i}x":["${i + 1}","${i + 1}x"]`,
  ).join();
  const attacks: [string, string[], RegExp | string][] = [
    ['regex.find_n', ['"(a+)+$"', long('a', 20_000), '-1'], /^\["a/],
    ['regex.replace', [long('a', 20_000), '"(a|a)*b"', '"x"'], /^"a/],
    ['regex.replace', [long('a', 20_000), '"a"', long('b', 20_000)], 'error: the result is longer than 1000000 bytes'],
    ['regex.split', ['"((a{1000}){1000})"', '"a"'], /^error: error parsing regexp: invalid repeat count/],
    ['regex.split', [long('(', 20_000), '"a"'], /^error: the regular expression is longer than/],
    ['regex.globs_match', [long('.*', 15), `"${'.*'.repeat(15)}x"`], 'true'],
    ['regex.globs_match', [long('a*', 5000), long('b*', 5000)], 'error: the patterns are too long'],
    ['sprintf', [long('%1000000d', 50), `[${'1,'.repeat(49)}1]`], 'error: the result is longer than 1000000 bytes'],
    ['sprintf', ['"%.999999999f"', '[1.5]'], /^"%!\(NOVERB\)/],
    ['yaml.unmarshal', [bomb], /^error: yaml: the document holds more than/],
    ['yaml.unmarshal', ['"a: &x [*x]"'], 'error: yaml: an anchor contains itself'],
    ['yaml.unmarshal', [long('[', 100_000)], /^error: yaml: /],
    ['yaml.unmarshal', [long('- ', 5_000)], /^error: yaml: /],
    ['yaml.is_valid', [long('a', 2_000_000)], 'false'],
    ['net.cidr_expand', ['"0.0.0.0/0"'], 'error: net.cidr_expand: more than 65536 addresses'],
    ['net.cidr_expand', ['"::/0"'], 'error: net.cidr_expand: more than 65536 addresses'],
    ['numbers.range_step', ['0', '1e300', '1'], 'error: numbers.range_step: more than 1000000 numbers'],
    ['graph.reachable_paths', [`{${mesh}}`, '["0"]'], 'error: graph.reachable_paths: the graph has too many paths'],
    ['units.parse', ['"1e999999"'], 'error: units.parse: could not parse amount to a number'],
    ['semver.compare', [`"1.0.0-${'9'.repeat(100_000)}"`, '"1.0.0-9"'], '1'],
    ['time.add_date', ['0', '1e30', '0', '0'], 'error: time outside of valid range'],
    ['time.parse_duration_ns', [long('1h', 100_000)], /^error: time: invalid duration/],
    ['json.is_valid', [long('[', 200_000)], 'false'],
  ];
  for (const [name, operands, expected] of attacks) {
    const startedMs = performance.now();
    const result = shown(name, ...operands);
    const label = `${name}(${operands.join(', ').slice(0, 40)}…)`;
    if (typeof expected === 'string') t.equal(result, expected, label);
    else t.match(result, expected, label);
    t.ok(performance.now() - startedMs < 3000, `${label} within bounds`);
  }
  t.end();
});

test('kwctl lists what the reference lists, and nothing that reaches outside', (t) => {
  const known = [
    'base64url.encode_no_pad',
    'date',
    'glob.quote_meta',
    'hex.decode',
    'hex.encode',
    'json.is_valid',
    'json.patch',
    'parse_rfc3339_ns',
    'regex.find_n',
    'regex.split',
    'regex.template_match',
    'semver.compare',
    'semver.is_valid',
    'sprintf',
    'time.now_ns',
    'trace',
    'urlquery.decode',
    'urlquery.decode_object',
    'urlquery.encode',
    'urlquery.encode_object',
    'yaml.is_valid',
    'yaml.marshal',
    'yaml.unmarshal',
  ];
  t.same(
    known.filter((name) => !REGO_BUILTIN_NAMES.includes(name)),
    [],
  );
  t.same(REGO_BUILTIN_NAMES, REGO_BUILTIN_NAMES.toSorted());
  const outside = /^(?:http\.|opa\.|rego\.|io\.jwt|crypto\.x509|net\.lookup)/;
  t.same(
    REGO_BUILTIN_NAMES.filter((name) => outside.test(name)),
    [],
  );
  t.end();
});

test('fuzz: whatever the arguments, a builtin answers or refuses', (t) => {
  const random = randomFrom(20_251_121);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const texts = [
    '',
    'a',
    'é😀',
    '\u0000',
    '\ufeff',
    '%d',
    '%[1]*.[2]*[3]f',
    '%',
    '%#+08.3q',
    '%!',
    '[a-',
    '(',
    'a{2,}',
    '\\',
    '$1',
    '1.2.3-rc.1',
    '10Gi',
    '1e5',
    '-5m',
    '10.0.0.0/30',
    '::1/128',
    '1h30m',
    '2006-01-02T15:04:05Z',
    '__2 Jan',
    '[',
    '- a',
    '{a: &b 1, c: *b}',
    '&a',
    '!!int x',
    '/a/0',
    '-',
    'op',
    'path',
    'add',
    'UTC',
    'Europe/Berlin',
    'a=b&c',
    '%zz',
    'ff',
  ];
  const numbers = ['0', '-1', '1', '3', '1.5', '1e400', '-0', '9223372036854775808', '1e999999999', '0.1', '64'];
  const value = (depth: number): RegoValue => {
    const kind = random(depth > 2 ? 4 : 8);
    if (kind === 0) return new RegoNumber(pick(numbers));
    if (kind === 1) return pick([null, true, false]);
    if (kind < 4) return pick(texts) + (random(10) < 3 ? pick(texts) : '');
    const items = Array.from({ length: random(4) }, () => value(depth + 1));
    if (kind === 4) return new RegoSet(items);
    if (kind > 5) return items;
    return new RegoObject(
      items.map((item, i) => [pick<RegoValue>(['op', 'path', 'value', 'from', `k${i}`, item]), item]),
    );
  };
  const one = surroundings(100_000);
  const startedMs = performance.now();
  let calls = 0;
  for (; calls < 20_000 && performance.now() - startedMs < 1800; calls++) {
    const name = pick(REGO_BUILTIN_NAMES);
    const operands = Array.from({ length: random(5) }, () => value(0));
    try {
      const result = BUILTINS.get(name)?.(operands, one.context);
      if (result !== undefined) parseValue(printValue(result, 'rego'));
    } catch (error) {
      if (error instanceof BuiltinError) continue;
      t.fail(`${name}(${operands.map((operand) => printValue(operand, 'rego')).join(', ')}) threw ${String(error)}`);
      break;
    }
  }
  t.ok(calls > 2000, `${calls} calls`);
  t.end();
});

test('the names of all builtins can be had without making the evaluator dearer to import', async (t) => {
  t.same(await regoBuiltinNames(), [...BUILTINS.keys()].toSorted());
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import(${JSON.stringify(new URL('../../../index.ts', import.meta.url).href)});
    process.stdout.write(loaded.join(' '));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  t.match(stdout, '/evaluator/src/evaluator.ts');
  t.notMatch(stdout, /\/runtimes\/(?:rego|wapc|wasi|component)\//, 'no runtime is loaded before it is needed');
});
