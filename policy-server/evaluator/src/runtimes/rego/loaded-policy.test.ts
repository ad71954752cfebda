import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { EvaluationError } from '../../errors.ts';
import { PAGE_BYTES } from '../guest/image.ts';
import { evaluateOnce, prepareForTest } from '../guest/test-evaluation.ts';
import { regoWat, type RegoWatParts } from './fixtures/rego-wat.ts';
import { partsOf } from './fixtures/twins.ts';
import { instantiateRego } from './instances.ts';
import { regoRuntime } from './prepare.ts';

/** Every document that is read changes the first letter of the answer into the next one of the alphabet. */
const COUNTS_DOCUMENTS: RegoWatParts = {
  parse: `(i32.store8 (i32.const 1163) (i32.add (i32.load8_u (i32.const 1163)) (i32.const 1)))
    (i32.const 4096)`,
};
const [READ_ONCE, READ_TWICE] = ['[{"result":urue}]', '[{"result":vrue}]'];

test('the data a policy was loaded with is not read again by evaluations', async (t) => {
  const bytes = await regoWat(COUNTS_DOCUMENTS);
  for (const mode of ['opa', 'gatekeeper'] as const) {
    const prepared = await prepareForTest(regoRuntime, mode, bytes);
    for (let round = 0; round < 3; round += 1) {
      t.equal(await evaluateOnce(prepared), READ_ONCE, `${mode}: the empty document`);
    }
  }
  const prepared = await prepareForTest(regoRuntime, 'opa', bytes);
  t.equal(await evaluateOnce(prepared, { settings: '{"a":1}' }), READ_TWICE, 'others are read instead of it');
  t.equal(await evaluateOnce(prepared, { settings: '[]' }), READ_TWICE, 'as long, but not empty');

  const data = [Buffer.from('{"inventory":'), Buffer.from('{}}')];
  const instance = instantiateRego(await partsOf(bytes), undefined);
  t.match(instance.start(data), { hasData: true });
  t.equal(Buffer.from(instance.evaluate({ data, input: [Buffer.from('{}')] })).toString(), READ_TWICE);
});

test('data that is loaded makes the memory larger with the knowledge of the guest, within its bounds', async (t) => {
  const bytes = await guestModule('rego-opa');
  const data = [Buffer.from(`{"list":[${Array.from({ length: 20_000 }, (_, i) => i).join()}]}`)];
  const instance = instantiateRego(await partsOf(bytes, { memoryPages: 100 }), undefined);
  const before = instance.state?.logicalPages ?? Infinity;
  instance.start(data);
  const { logicalPages = 0, physicalPages } = instance.state ?? {};
  t.ok(logicalPages > before + (data[0]?.length ?? 0) / PAGE_BYTES, `${before} to ${logicalPages} pages`);
  t.equal(logicalPages, physicalPages);
  const small = instantiateRego(await partsOf(bytes, { memoryPages: 8 }), undefined);
  t.throws(() => small.start(data), { reason: 'limit', message: /needs more than 8 pages/ });
  t.equal(small.state?.logicalPages, 8);
});

test('hostile modules: what they do when they are loaded', { timeout: 20_000 }, async (t) => {
  const refusal = async (parts: RegoWatParts, message: RegExp): Promise<void> => {
    const loading = prepareForTest(regoRuntime, 'opa', await regoWat(parts));
    await t.rejects(loading, { constructor: EvaluationError, code: 'initialisation-failed', message });
  };
  await refusal({ malloc: '(i32.const -1)' }, /opa_malloc returned no usable address/);
  await refusal({ malloc: '(i32.const 65535)' }, /opa_malloc returned no usable address/);
  await refusal({ malloc: 'unreachable' }, /wasm trap: unreachable/);
  await refusal({ parse: '(i32.const 0)' }, /cannot read a document/);
  await refusal({ entrypoints: '(i32.const -8)' }, /lies outside of the policy's memory/);
  const endless = '(memory.fill (i32.const 2048) (i32.const 32) (i32.const 63488)) (i32.const 2048)';
  await refusal({ entrypoints: endless }, /does not end/);
  await refusal({ entrypointsText: '{"policy/main":' }, /does not list its entrypoints/);
  await refusal({ entrypointsText: 'null' }, /no entrypoint with number 0/);
  await refusal({ entrypointsText: '{"policy/main":1}' }, /no entrypoint with number 0/);
});

test('a module that does not tell its version is loaded without a word', async (t) => {
  const printed = t.capture(process.stderr, 'write');
  const bytes = await regoWat(COUNTS_DOCUMENTS);
  t.equal(await evaluateOnce(await prepareForTest(regoRuntime, 'opa', bytes)), READ_ONCE);
  t.same(printed(), []);
});
