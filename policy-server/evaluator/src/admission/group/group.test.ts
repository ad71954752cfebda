import { createContext, runInContext } from 'node:vm';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import type { AdmissionResponse } from '@portcullis/protocol';
import { rejection } from '../rejection.ts';
import { GroupExpressionError } from './expression/errors.ts';
import { evaluateExpression } from './expression/expression.ts';
import { parseGroupExpression } from './expression/parser.ts';
import { evaluateGroup } from './group.ts';

const MEMBERS = ['t', 'f', 'new'];

function problem(text: string, members: readonly string[] = MEMBERS): string {
  try {
    parseGroupExpression(text, members);
  } catch (error) {
    if (error instanceof GroupExpressionError) return error.message;
    throw error;
  }
  return 'no problem';
}

/** The value of an expression in which `t()` is true and every other member false, and whom it asked. */
async function evaluate(
  text: string,
  members: readonly string[] = MEMBERS,
): Promise<{ value: boolean; asked: string }> {
  const asked: string[] = [];
  const value = await evaluateExpression(parseGroupExpression(text, members).root, async (member) => {
    asked.push(member);
    return member === 't';
  });
  return { value, asked: asked.join('') };
}

test('operators bind and short-circuit as documented', async (t) => {
  const cases: [text: string, value: boolean, asked: string][] = [
    ['t()', true, 't'],
    ['!t()', false, 't'],
    ['!!t()', true, 't'],
    ['t() && f()', false, 'tf'],
    ['f() && t()', false, 'f'],
    ['t() || f()', true, 't'],
    ['f() || t()', true, 'ft'],
    ['t() || f() && f()', true, 't'],
    ['(t() || f()) && f()', false, 'tf'],
    ['f() || (!f() && t())', true, 'fft'],
    ['f() && t() || t()', true, 'ft'],
    ['!f() && t()', true, 'ft'],
    ['t() == f()', false, 'tf'],
    ['t() != f() && t()', true, 'tft'],
    ['f() && t() == t()', false, 'f'],
    ['t() & f()', false, 'tf'],
    ['f() & t()', false, 'ft'],
    ['t() | f()', true, 'tf'],
    ['t() ^ t()', false, 'tt'],
    ['true', true, ''],
    ['false || t()', true, 't'],
    ['2 > 1', true, ''],
    ['1 + 2 * 3 == 7 && 10 % 4 <= 2 && 7 / 2 >= 3 && -1 < +1 && 8 - 4 - 2 != 6', true, ''],
    ['(1 | 6) == 7 && (3 & 6) == 2 && (3 ^ 6) == 5', true, ''],
    ['true == 1', false, ''],
    ['t() == 1', false, 't'],
    ['1 != f()', true, 'f'],
    [' // why\n t()/* a /* b */ c */||\r\n\tf ( ) ', true, 't'],
  ];
  for (const [text, value, asked] of cases) t.same(await evaluate(text), { value, asked }, text);
});

test('a bad expression is refused when it is read, in the words of the reference', async (t) => {
  const problems: Record<string, string> = {
    'nope()': 'Function not found: nope () (line 1, position 1)',
    't() || nope()': 'Function not found: nope () (line 1, position 8)',
    't(1)': 'Function not found: t (i64) (line 1, position 1)',
    't(true, 2)': 'Function not found: t (bool, i64) (line 1, position 1)',
    t: 'Variable not found: t (line 1, position 1)',
    '1 + 1': 'Output type incorrect: i64 (expecting bool)',
    '5': 'Output type incorrect: i64 (expecting bool)',
    't() &&\n  ': 'Syntax error: Script is incomplete (line 2, position 3)',
    't() || f(': 'Syntax error: Script is incomplete (line 1, position 10)',
    '': 'Syntax error: Script is incomplete (line 1, position 1)',
    '1 && t()': "Syntax error: Expecting bool, not i64, beside '&&' (line 1, position 3)",
    't() + 1': 'Function not found: + (bool, i64) (line 1, position 5)',
    't() < f()': 'Function not found: < (bool, bool) (line 1, position 5)',
    '-t()': 'Function not found: - (bool) (line 1, position 1)',
    '!1': 'Function not found: ! (i64) (line 1, position 1)',
    '(t()': "Syntax error: Expecting ')' for a matching ( in this expression (line 1, position 5)",
    't())': "Syntax error: Unexpected ')' (line 1, position 4)",
    't() f()': "Syntax error: Unexpected 'f' (line 1, position 5)",
    't() and f()': "Syntax error: Unexpected 'and' (line 1, position 5)",
    't() ? f() : t()': "Syntax error: Unexpected '?' (line 1, position 5)",
    't();': "Syntax error: Unexpected ';' (line 1, position 4)",
    '&& t()': "Syntax error: Unexpected '&&' (line 1, position 1)",
    '😀()': "Syntax error: Unexpected '😀' (line 1, position 1)",
    '1 / 0 == 1': 'Division by zero: 1 / 0 (line 1, position 3)',
    '1 % 0 == 1': 'Division by zero: 1 % 0 (line 1, position 3)',
    '9223372036854775807 + 1 > 0': "Arithmetic overflow in '+' (line 1, position 21)",
    '9223372036854775808 > 0': "Syntax error: Invalid number: '9223372036854775808' (line 1, position 1)",
    't() /* x': 'Syntax error: a comment is not closed (line 1, position 5)',
    'if t() { f() }': "Syntax error: 'if' is a reserved keyword (line 1, position 1)",
    'my-policy()': 'Variable not found: my (line 1, position 1)',
  };
  for (const [text, message] of Object.entries(problems)) t.equal(problem(text), message, text);
  t.throws(() => parseGroupExpression('nope()', []), { code: 'expression-invalid', position: { line: 1, column: 1 } });
});

test('members named by words only the reference reserves decide, where there every request fails', async (t) => {
  const names = [
    'fn',
    'new',
    'is',
    'do',
    'match',
    'case',
    'switch',
    'default',
    'static',
    'public',
    'private',
    'print',
    'debug',
    'call',
    'eval',
    'this',
    'with',
    'use',
    'module',
    'go',
    'thread',
    'sync',
    'async',
    'shared',
    'try',
    'catch',
    'throw',
    'export',
    'nil',
    'namespace',
    'function',
    'constructor',
    '__proto__',
  ];
  for (const name of names)
    t.same(await evaluate(`!${name}() && t()`, [name, 't']), { value: true, asked: `${name}t` }, name);
});

test('a member named by a reserved word is refused at load with a text that names it', async (t) => {
  for (const name of ['if', 'in', 'null', 'let', 'while', 'package', 'void']) {
    t.equal(problem(`${name}()`, [name]), `Syntax error: '${name}' is a reserved keyword (line 1, position 1)`);
  }
  t.equal(problem('t()', ['t', 'if', 'my-policy', '']), 'no problem', 'as long as nobody calls it');
});

test('expressions are bounded in length, depth and number of operators', async (t) => {
  t.match(problem(`${'('.repeat(65)}t()${')'.repeat(65)}`), 'Expression exceeds maximum complexity');
  t.match(problem(`${'!'.repeat(10_000)}t()`), 'Expression exceeds maximum complexity');
  t.match(problem(`${'t('.repeat(5000)}`), 'Expression exceeds maximum complexity');
  t.match(problem(Array.from({ length: 1002 }, () => 't()').join('||')), 'Expression exceeds maximum complexity');
  t.match(problem(' '.repeat(20_000)), 'expected at most 16384 characters, got 20000');
  t.same(await evaluate(`${'!'.repeat(60)}t()`), { value: true, asked: 't' });
  t.equal((await evaluate(Array.from({ length: 1001 }, () => 't()').join('&'))).value, true);
});

const allow: AdmissionResponse = { uid: 'm', allowed: true, auditAnnotations: { a: 'b' }, warnings: ['w'] };
const group = { id: 'g', message: 'image is not acceptable' };

async function decide(text: string, answers: Record<string, AdmissionResponse>): Promise<AdmissionResponse> {
  const members = new Map(Object.entries(answers).map(([name, response]) => [name, async () => response]));
  return evaluateGroup(parseGroupExpression(text, [...members.keys()]), members, group, 'u');
}

test('a group that allows says nothing else', async (t) => {
  const allowed = await decide('a() || b()', { a: rejection('m', 'no'), b: allow });
  t.strictSame(allowed, { uid: 'u', allowed: true, auditAnnotations: null, warnings: null });
});

test('a group that refuses names the members that were asked and refused, in their order', async (t) => {
  const answers = {
    signed: rejection('m', 'unsigned', 401),
    internal: allow,
    latest: allow,
    unasked: rejection('m', 'x'),
  };
  t.strictSame(await decide('signed() || (internal() && !latest()) || (signed() && unasked())', answers), {
    uid: 'u',
    allowed: false,
    status: {
      message: 'image is not acceptable',
      details: { causes: [{ reason: null, message: 'unsigned', field: 'spec.policies.signed' }] },
    },
    auditAnnotations: null,
    warnings: null,
  });
  const both = await decide('b() || a()', { a: rejection('m', 'A'), b: { ...allow, allowed: false } });
  t.same(both.status?.details?.causes, [
    { reason: null, message: 'A', field: 'spec.policies.a' },
    { reason: null, message: null, field: 'spec.policies.b' },
  ]);
});

test('a group refused although every member agreed has no causes', async (t) => {
  t.same((await decide('!a()', { a: allow })).status, { message: 'image is not acceptable', details: {} });
  t.equal((await decide('false', { a: allow })).allowed, false);
});

test('a member that mutates counts as refusing', async (t) => {
  const mutating: AdmissionResponse = { ...allow, patchType: 'JSONPatch', patch: 'W10=' };
  t.same((await decide('a()', { a: mutating })).status?.details?.causes, [
    { reason: null, message: 'mutation is not allowed inside of policy group', field: 'spec.policies.a' },
  ]);
});

test('of a member asked twice the last answer counts', async (t) => {
  const answers = [rejection('m', 'first'), allow];
  const members = new Map([['a', async () => answers.shift() ?? rejection('m', 'too often')]]);
  const response = await evaluateGroup(parseGroupExpression('!(a() || a())', ['a']), members, group, 'u');
  t.same(response.status?.details, {}, 'it agreed in the end');
});

test('a member that cannot be asked fails the group', async (t) => {
  const members = new Map([['a', async () => Promise.reject(new Error('overloaded'))]]);
  await t.rejects(evaluateGroup(parseGroupExpression('a()', ['a']), members, group, 'u'), /overloaded/);
});

test('random expressions are refused or mean what JavaScript takes them to mean', async (t) => {
  const random = randomFrom(51);
  const pieces = [
    't()',
    'f()',
    't()',
    'f()',
    'true',
    '&&',
    '||',
    '!',
    '(',
    ')',
    '==',
    '!=',
    '1',
    '<',
    '/* */',
    'x',
    '#',
    '\n',
  ];
  const context = createContext({ t: () => true, f: () => false });
  let accepted = 0;
  for (let round = 0; round < 30_000; round++) {
    const text = Array.from({ length: 1 + random(8) }, () => pieces[random(pieces.length)]).join(' ');
    if (problem(text) !== 'no problem') continue;
    const { value } = await evaluate(text);
    accepted++;
    // Only the operators that both languages rank alike are compared.
    if (/1|<|==|!=/.test(text)) continue;
    t.equal(value, runInContext(text, context), text);
  }
  t.ok(accepted > 1500, `${accepted} accepted`);
});
