import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { EvaluationError } from '../../errors.ts';
import { inspectComponent, requirePolicyWorld } from './inspect.ts';
import { transpileComponent } from './transpile.ts';

/** A complete policy in the text format, with one name of a core export and import that the test chooses. */
function policyWat(coreName: string, payload = '(list u8)'): string {
  return `(component
    (core module $provider (func (export "${coreName}")))
    (core instance $provider (instantiate $provider))
    (core module $policy (import "env" "${coreName}" (func)) (memory (export "memory") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8)
      (func (export "run") (param i32 i32) (result i32) unreachable))
    (alias core export $provider "${coreName}" (core func $named))
    (core instance $env (export "${coreName}" (func $named)))
    (core instance $policy (instantiate $policy (with "env" (instance $env))))
    (alias core export $policy "memory" (core memory $memory))
    (alias core export $policy "run" (core func $run))
    (alias core export $policy "realloc" (core func $realloc))
    (type $call (func (param "payload" ${payload}) (result (result (list u8) (error string)))))
    (func $lifted (type $call) (canon lift (core func $run) (memory $memory) (realloc $realloc)))
    (export "validate" (func $lifted))
    (export "validate-settings" (func $lifted)))`;
}

const component = async (wat: string): Promise<Uint8Array> => Uint8Array.from(await parse(wat));

const refused = (message: RegExp, code = 'module-invalid') => ({ name: 'EvaluationError', code, message });

test('a component says what it imports and exports', async (t) => {
  const shape = inspectComponent(await component(policyWat('helper')));
  t.same(shape, { imports: [], exports: ['validate', 'validate-settings'] });
  t.doesNotThrow(() => requirePolicyWorld(shape));
});

test('imports beyond the host interface are refused by name, with advice', async (t) => {
  const wat = `(component (import "portcullis:policy/host@0.1.0" (instance)) (import "wasi:cli/environment@0.2.0" (instance))
    (import "wasi:http/types@0.2.0" (instance)))`;
  const shape = inspectComponent(await component(wat));
  t.throws(
    () => requirePolicyWorld(shape),
    refused(
      /`wasi:cli\/environment@0\.2\.0`, `wasi:http\/types@0\.2\.0`; .*`portcullis:policy\/host@0\.1\.0` only: build it with/,
      'import-unknown',
    ),
  );
  const otherVersion = await component('(component (import "portcullis:policy/host@0.2.0" (instance)))');
  t.throws(() => requirePolicyWorld(inspectComponent(otherVersion)), refused(/host@0\.2\.0/, 'import-unknown'));
});

test('a component without the two exports is no policy', async (t) => {
  t.throws(
    () => requirePolicyWorld(inspectComponent(Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0))),
    refused(/`validate` and `validate-settings`/),
  );
});

test('a name that would become code of the host is refused, wherever it stands', async (t) => {
  const inText = [
    "x': (globalThis.pwned = 1), 'y",
    "x']; process.exit(3); //",
    'x\\\\n',
    'x`',
    '${x}',
    '*/ x',
    'x\u2028',
    '\\07',
  ];
  for (const name of inText) {
    const bytes = await component(policyWat(name));
    t.throws(() => inspectComponent(bytes), refused(/a name that is not safe to transpile/), name);
  }
  const places = [
    `(core module (func (export "it's")))`,
    `(core module (import "it's" "f" (func)))`,
    `(core module (import "m" "it's" (func)))`,
    `(core instance (export "it's" (memory $memory)))`,
    `(core module $m (import "it's" "f" (func))) (core instance (instantiate $m (with "it's" (instance $none))))`,
    `(component (core module (func (export "it's"))))`,
  ];
  for (const place of places) {
    const wat = `(component (core module $own (memory (export "memory") 1)) (core instance $own (instantiate $own))
      (alias core export $own "memory" (core memory $memory)) (core instance $none) ${place})`;
    const bytes = await component(wat);
    t.throws(() => inspectComponent(bytes), refused(/not safe to transpile: "it's"/), place);
  }
});

test('the danger is real: the transpiler writes such names out as they are', async (t) => {
  // If this fails, the transpiler has learned to escape, and `safeName` may become more lenient.
  const { glue } = await transpileComponent(await component(policyWat("x': (globalThis.pwned = 1), 'y")));
  t.match(glue, "'x': (globalThis.pwned = 1), 'y'");
});

test('components that expand to more than they say are refused', async (t) => {
  const levels = Array.from({ length: 3 }, (_, level) => level);
  const bomb = levels.reduce(
    (inner) => `(component $c ${inner} ${'(instance (instantiate $c))'.repeat(12)})`,
    '(component $c (core module $m) (core instance (instantiate $m)))',
  );
  const bytes = await component(bomb);
  t.ok(bytes.length < 400, 'small outside');
  t.throws(() => inspectComponent(bytes), refused(/more than 256 instances/));
  const deep = await component('(component '.repeat(6) + ')'.repeat(6));
  t.throws(() => inspectComponent(deep), refused(/nested more than 4 deep/));
  const wide = await component(`(component ${'(core module)'.repeat(65)})`);
  t.throws(() => inspectComponent(wide), refused(/more than 64 core modules/));
  t.throws(() => inspectComponent(new Uint8Array(33 << 20)), refused(/at most 33554432 are allowed/));
});

test('damaged components are refused in words, never by a crash', async (t) => {
  const good = await component(policyWat('helper'));
  const random = randomFrom(20_261_121);
  let passed = 0;
  const deadline = performance.now() + 1500;
  for (let run = 0; run < 20_000 && performance.now() < deadline; run++) {
    const bytes = good.slice(0, run % 3 === 0 ? random(good.length) : good.length);
    for (let edits = 1 + random(3); edits > 0; edits--) bytes[random(bytes.length)] = random(256);
    try {
      inspectComponent(bytes);
      passed++;
    } catch (error) {
      if (!(error instanceof EvaluationError) || error.code !== 'module-invalid') throw error;
    }
  }
  t.ok(passed > 0, 'damage inside of code is not the business of this check');
});

test('a module or anything else is not a component', async (t) => {
  for (const bytes of [[], [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8]]) {
    t.throws(() => inspectComponent(Uint8Array.from(bytes)), refused(/not a WebAssembly component|ends too early/));
  }
});

test('transpiling is bounded and refuses other types than those of the world', async (t) => {
  const policy = await component(policyWat('helper'));
  await t.rejects(transpileComponent(policy, { timeoutMs: 1 }), refused(/could not be transpiled within 1 ms/));
  await t.rejects(
    transpileComponent(await component(policyWat('helper', 'string'))),
    refused(/`validate` has other types/),
  );
  const damaged = policy.slice();
  damaged.fill(0xff, 8, 40);
  await t.rejects(transpileComponent(damaged), refused(/^the component cannot be transpiled: /));
});

test('names in use by real toolchains are accepted', async (t) => {
  const real = 'cm32p2|wasi:io/streams@0.2|[method]output-stream.check-write_post (mem0 => mem1) $imports <T, U>';
  const bytes = await component(policyWat(real));
  t.doesNotThrow(() => inspectComponent(bytes));
});
