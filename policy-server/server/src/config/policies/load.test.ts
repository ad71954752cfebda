import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { ServerError } from '../../errors.ts';
import { loadPolicies } from './load.ts';
import { problems } from './test-policies.ts';

test('FIX: every problem of the file is reported at once, with line, column, entry and key', async (t) => {
  t.same(
    problems(`
no/slash: {module: m}
mode: {module: m, policyMode: Protect}
nothing: {settings: {}}
old: {url: m}
types:
  module: 5
  allowedToMutate: yes
  settings: [1]
  timeoutEvalSeconds: 1.5
  message: 7
  contextAwareResources: [{apiVersion: v1}, x]
group:
  expression: "a()"
  policies:
    a: {module: m, policyMode: monitor, messsage: x, settings: 1}
    b/c: {module: m}
text: hello
`),
    [
      "2:1 policy name 'no/slash' contains a '/' character",
      `3:31 policy 'mode': key 'policyMode': expected protect or monitor, got "Protect"`,
      "4:1 policy 'nothing': expected a policy (key 'module') or a policy group (keys 'policies', 'expression', 'message')",
      "5:1 policy 'old': expected a policy (key 'module') or a policy group (keys 'policies', 'expression', 'message') – 'url' is no longer read, write 'module'",
      "7:11 policy 'types': key 'module': expected a text, got the number 5",
      "9:13 policy 'types': key 'settings': expected a map, got a list",
      "12:27 policy 'types': key 'contextAwareResources[0]': missing key 'kind'",
      `12:45 policy 'types': key 'contextAwareResources[1]': expected {apiVersion, kind}, got "x"`,
      "10:23 policy 'types': key 'timeoutEvalSeconds': expected a whole number of seconds, at least 1, got the number 1.5",
      `8:20 policy 'types': key 'allowedToMutate': expected true or false, got "yes"`,
      "11:12 policy 'types': key 'message': expected a text, got the number 7",
      `15:3 policy group 'group' contains policies with invalid names: ["b/c"]`,
      "16:20 policy group 'group', member 'a': unknown field 'policyMode', expected one of module, settings, contextAwareResources, timeoutEvalSeconds, hostCapabilities",
      "16:41 policy group 'group', member 'a': unknown field 'messsage', expected one of module, settings, contextAwareResources, timeoutEvalSeconds, hostCapabilities",
      "16:64 policy group 'group', member 'a': key 'settings': expected a map, got the number 1",
      "14:3 policy group 'group': missing key 'message'",
      '18:7 policy \'text\': expected a policy or a policy group, got string "hello"',
    ],
  );
});

test('a report is one line, or one line per problem before the summary', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'policies-'));
  const path = join(folder, 'policies.yml');
  const load = async (text: string | Uint8Array, options = { continueOnErrors: false }) => {
    await writeFile(path, text);
    return loadPolicies(path, options);
  };
  const failure = async (promise: Promise<unknown>): Promise<ServerError> => {
    const error: unknown = await promise.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof ServerError) return error;
    throw new Error('expected a ServerError');
  };
  t.equal(
    (await failure(load('[]'))).message,
    `error while loading policies from "${path}": ${path}:1:1: invalid type: sequence, expected a map`,
  );
  const two = await failure(load('b: 1\na/b: {module: x}'));
  t.equal(two.message, `error while loading policies from "${path}": 2 problems, listed above`);
  t.match(two.details, [/:1:4: policy 'b'/, /:2:1: policy name 'a\/b'/]);
  const group = 'g: {expression: "a() || b()", message: x, policies: {a: {module: m}}}';
  for (const continueOnErrors of [false, true]) {
    const both = await failure(load(`${group}\nb: 1\n`, { continueOnErrors }));
    t.match(both.details, [/:1:17: policy group 'g': key 'expression': Function not found: b /, /:2:4: policy 'b'/]);
  }
  t.match((await failure(load(group))).message, /:1:17: policy group 'g': key 'expression': Function not found: b /);
  const { entries, warnings } = await load(group, { continueOnErrors: true });
  t.equal(entries.length, 1);
  t.match(warnings, [/:1:17: policy group 'g': key 'expression': Function not found: b /]);
  const missing = await failure(loadPolicies(join(folder, 'none.yml'), { continueOnErrors: true }));
  t.equal(
    missing.message,
    `error while loading policies from "${join(folder, 'none.yml')}": No such file or directory (os error 2)`,
  );
  t.match((await failure(load(new Uint8Array([0xff, 0xfe])))).message, /expected UTF-8 text/);
});
