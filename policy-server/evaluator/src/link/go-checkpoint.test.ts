import { damage, guestModule, randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { goProgram, type GoProgram } from '../runtimes/wasi/fixtures/go-program.ts';
import { findGoCheckpoint } from './go-checkpoint.ts';

async function find(program?: GoProgram) {
  return findGoCheckpoint(await goProgram(program));
}

/** The program with one piece of its text changed, which must be there. */
function changed(piece: string, into: string): GoProgram {
  return {
    edit: (wat) => {
      if (!wat.includes(piece)) throw new Error(`the program does not contain ${piece}`);
      return wat.replace(piece, into);
    },
  };
}

test('a program of the Go toolchain shows how to go on from its first read', { timeout: 600_000 }, async (t) => {
  const found = findGoCheckpoint(await guestModule('wasi-go'));
  t.match(found, { found: true, readFunction: Number, resumeFunction: Number });
});

test('the shapes of several releases of Go are known', async (t) => {
  for (const release of ['1.22', '1.24', '1.26'] as const) {
    t.same(await find({ release }), { found: true, readFunction: 10, resumeFunction: 9 }, release);
  }
});

test('nothing else is taken for a Go program', async (t) => {
  const refused = async (program: GoProgram, reason: RegExp): Promise<void> => {
    const found = await find(program);
    t.match(found.found ? 'found' : found.reason, reason);
  };
  await refused({ fields: '(func $begin) (start $begin)' }, /start function/);
  await refused(
    { fields: '(import "wasi_unstable" "fd_read" (func (param i32 i32 i32 i32) (result i32)))', edit: importsFirst },
    /imports fd_read 2 times/,
  );
  await refused(changed('"fd_read"', '"fd_pread"'), /imports fd_read 0 times/);
  await refused(changed('(export "_start")', '(export "start")'), /exports no function _start/);
  await refused(changed('call $initialise drop', 'call $initialise drop nop'), /_start is not that of a Go program/);
  await refused(changed('call $loop return', 'call $loop call $loop return'), /_start is not that of a Go program/);
  await refused(
    { ...changed('call $loop return', 'call $other return'), fields: '(func $other)' },
    /does not end in the loop/,
  );
  await refused(changed('i32.load offset=2', 'i32.load offset=4'), /does not end in the loop/);
  await refused(changed('drop global.get $pause', 'drop nop global.get $pause'), /does not end in the loop/);
  await refused(
    changed('i32.const 0 global.set $pause return', 'i32.const 1 global.set $pause return'),
    /does not end in the loop/,
  );
  await refused(changed('i64.store32 offset=40', 'i64.store32 offset=48'), /0 of its functions call fd_read/);
  await refused(changed('i32.load offset=24', 'i32.load offset=28'), /0 of its functions call fd_read/);
  await refused(
    changed('local.tee 1 global.set $sp i32.const 0', 'local.tee 1 global.set $sp i32.const 1'),
    /0 of its functions call fd_read/,
  );
  await refused(changed('call $fd_read', 'call $fd_read drop i32.const 0'), /0 of its functions call fd_read/);
  await refused(changed('call $fd_read', 'call $poll'), /0 of its functions call fd_read/);
  await refused(
    {
      edit: (wat) => wat.replace(/\(func \$read [^]*?unreachable\)/, (read) => read + read.replace('$read', '$again')),
    },
    /2 of its functions call fd_read/,
  );
  await refused(
    changed('(global $pause (mut i32) (i32.const 0))', '(global $pause (mut i32) (i32.const 1))'),
    /globals do not start/,
  );
});

test('functions that agree in shape must agree on their variables, too', async (t) => {
  const other = '(global $other (mut i32) (i32.const 0))';
  const program: GoProgram = {
    fields: other,
    edit: (wat) => wat.replace(/\(func \$read [^]*?unreachable\)/, (read) => read.replaceAll('$sp', '$other')),
  };
  t.match(await find(program), { found: false, reason: /stack pointer/ });
  const halfOther: GoProgram = {
    fields: other,
    edit: (wat) => wat.replace('local.tee 1 global.set $sp', 'local.tee 1 global.set $other'),
  };
  t.match(await find(halfOther), { found: false, reason: /0 of its functions/ });
  const paused: GoProgram = {
    edit: (wat) => wat.replace(/\(func \$loop[^]*?unreachable\)/, (loop) => loop.replaceAll('$pause', '$sp')),
  };
  t.match(await find(paused), { found: false, reason: /global variables/ });
});

test('guests of other toolchains, components and Rego are no Go programs', { timeout: 600_000 }, async (t) => {
  for (const name of ['wapc-rust', 'wapc-assemblyscript', 'component', 'rego-opa'] as const) {
    t.match(findGoCheckpoint(await guestModule(name)), { found: false, reason: String }, name);
  }
  t.match(findGoCheckpoint(await watModule('(module)')), { found: false, reason: 'it has no import section' });
});

test('a damaged program is refused or recognised, never more', async (t) => {
  const random = randomFrom(20_261);
  const whole = await goProgram();
  let recognised = 0;
  for (let round = 0; round < 3000; round += 1) {
    try {
      if (findGoCheckpoint(damage(whole, random, [whole.slice(100, 120)])).found) recognised += 1;
    } catch (error) {
      const name = error instanceof Error ? error.name : String(error);
      if (name !== 'EvaluationError' && name !== 'ModuleError') t.fail(name);
    }
  }
  t.ok(recognised > 0 && recognised < 3000, `${recognised} of 3000`);
});

/** Imports must come before definitions. */
function importsFirst(wat: string): string {
  const [found] = /\(import "wasi_unstable".*?\(result i32\)\)\)/.exec(wat) ?? [''];
  return wat.replace(found, '').replace('(type $go', `${found} (type $go`);
}
