import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSettingsValidationResponse, parseValidationResponse } from '@portcullis/protocol';
import { test } from 'tap';
import { buildPolicy } from './index.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Outcome {
  readonly response?: string;
  readonly error?: string;
  readonly log: readonly string[];
  readonly trapped: boolean;
}

/** A waPC host of the smallest kind: one call into a new instance. */
function call(module: WebAssembly.Module, operation: string, payload: string): Outcome {
  const outcome: { response?: string; error?: string; log: string[]; trapped: boolean } = { log: [], trapped: false };
  const request = [operation, payload].map((part) => encoder.encode(part));
  const memory = (): Uint8Array => new Uint8Array((instance.exports['memory'] as WebAssembly.Memory).buffer);
  const textAt = (at: number, size: number): string => decoder.decode(memory().subarray(at, at + size));
  const instance = new WebAssembly.Instance(module, {
    wapc: {
      __guest_request: (operationAt: number, payloadAt: number) => {
        memory().set(request[0] ?? [], operationAt);
        memory().set(request[1] ?? [], payloadAt);
      },
      __guest_response: (at: number, size: number) => (outcome.response = textAt(at, size)),
      __guest_error: (at: number, size: number) => (outcome.error = textAt(at, size)),
      __console_log: (at: number, size: number) => outcome.log.push(textAt(at, size)),
    },
  });
  const guestCall = instance.exports['__guest_call'] as (operationSize: number, payloadSize: number) => number;
  try {
    const returned = guestCall(request[0]?.length ?? 0, request[1]?.length ?? 0);
    if ((returned === 1) !== (outcome.response !== undefined))
      throw new TypeError('the result contradicts the response');
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    outcome.trapped = true;
  }
  return outcome;
}

/** The first `ts` block under a heading of the README. */
async function readmeBlock(heading: string): Promise<string> {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const section = readme.split(`## ${heading}`)[1] ?? '';
  return /```ts\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
}

test('the policy of the README compiles to a small module and decides', async (t) => {
  const source = await readmeBlock('A policy');
  t.ok(source.trim().split('\n').length <= 22, 'twenty lines');
  const folder = t.testdir({ 'policy.ts': source });
  const bytes = await buildPolicy({ entry: join(folder, 'policy.ts') });
  t.ok(bytes.length < 30_000, `${bytes.length} bytes`);
  const module = new WebAssembly.Module(Uint8Array.from(bytes));
  t.same([...new Set(WebAssembly.Module.imports(module).map((each) => each.module))], ['wapc']);
  t.same(
    WebAssembly.Module.exports(module)
      .map(({ name }) => name)
      .toSorted(),
    ['__guest_call', 'memory'],
  );

  const settings = { forbidden_names: ['böse'], unknown: { ignored: [null] } };
  const validate = (name: string): unknown => {
    const { response } = call(module, 'validate', JSON.stringify({ request: { uid: 'u', name }, settings }));
    return parseValidationResponse(encoder.encode(response));
  };
  t.match(validate('gut'), { accepted: true });
  t.match(validate('böse'), { accepted: false, message: 'the name böse is not allowed', code: 403 });
  const validateSettings = (given: string): unknown =>
    parseSettingsValidationResponse(encoder.encode(call(module, 'validate_settings', given).response));
  t.match(validateSettings(JSON.stringify(settings)), { valid: true });
  t.match(validateSettings('{}'), { valid: false, message: 'forbidden_names must not be empty' });
  t.equal(call(module, 'protocol_version', '').response, '"v1"');
  t.match(call(module, 'other', ''), { error: 'Could not find function "other"', trapped: false });

  const mistyped = { 7: 'a number', '"x"': 'a string', true: 'a boolean', '{"a":1}': 'an object' };
  for (const [value, kind] of Object.entries(mistyped)) {
    t.match(validateSettings(`{"forbidden_names":${value}}`), {
      valid: false,
      message: `forbidden_names: expected a list, got ${kind}`,
    });
  }
  for (const broken of ['{"forbidden_names":[1]}', '[]', '{']) {
    const { trapped, log, error } = call(module, 'validate_settings', broken);
    t.ok(trapped, `${broken} ends the evaluation`);
    t.match(log, [/JSON|settings are not an object/], 'and says why in the log');
    t.equal(error, log[0]);
  }
});

test('the other examples of the README compile', async (t) => {
  const examples = [
    ...(await readFile(new URL('../README.md', import.meta.url), 'utf8')).matchAll(/```ts\n(const [\s\S]*?)```/g),
  ];
  t.equal(examples.length, 2);
  const functions = examples.map(
    ([, body], index) =>
      `function example${index}(request: PolicyRequest): PolicyResponse {\n${body}return accept();\n}`,
  );
  const source = `import { PolicyRequest, PolicyResponse, accept, getResource, guestCall, jsonSet, mutate, quote, reject } from "@portcullis/assemblyscript/assembly";
    @json class Settings {}
    ${functions.join('\n')}
    function validate(request: PolicyRequest, settings: Settings): PolicyResponse {
      return request.name == "0" ? example0(request) : example1(request);
    }
    function validateSettings(settings: Settings): string | null { return null; }
    export function __guest_call(a: i32, b: i32): i32 { return guestCall<Settings>(a, b, validate, validateSettings); }`;
  const folder = t.testdir({ 'policy.ts': source.replaceAll('return mutate(', 'if (true) return mutate(') });
  await t.resolves(buildPolicy({ entry: join(folder, 'policy.ts'), optimize: false }));
});

test('mistakes are reported in the words of the compiler', async (t) => {
  const folder = t.testdir({});
  const build = async (source: string): Promise<Uint8Array> => {
    const entry = join(folder, 'policy.ts');
    await writeFile(entry, source);
    return buildPolicy({ entry, optimize: false });
  };
  await t.rejects(build('export function __guest_call(a: i32): i32 { return b; }'), {
    name: 'BuildError',
    code: 'compilation-failed',
    message: /policy\.ts does not compile:\n[\s\S]*ERROR TS2304: Cannot find name 'b'\./,
  });
  await t.rejects(
    build(
      'import { accept } from "@portcullis/assemblyscript/assembly"; export function f(): f64 { accept(); return Math.random(); }',
    ),
    {
      code: 'imports-unexpected',
      message: /env\.seed/,
    },
  );
  await t.rejects(buildPolicy({ entry: join(folder, 'missing.ts') }), { code: 'compilation-failed' });
});
