import { test } from 'tap';
import { watModule } from './index.ts';

test('watModule assembles a module that runs', async (t) => {
  const bytes = await watModule('(module (func (export "three") (result i32) i32.const 3))');
  const instance = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes)));
  const three = instance.exports['three'] as () => number;
  t.equal(three(), 3);
});

test('watModule names the line of a mistake', async (t) => {
  await t.rejects(watModule('(module\n (func i32.nope))'), /module\.wat:2:/);
});
