import { randomFrom, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { FakeHost, TEST_LIMITS } from '../guest/fake-host.ts';
import { type Callable, Guest, type GuestOutcome } from '../guest/guest.ts';
import { exportedFunction, instantiate } from '../guest/instance.ts';
import { linkImports } from '../guest/offer.ts';
import { CapturedOutput } from '../guest/output.ts';
import { Stdin } from './stdin.ts';
import { type Snapshot, type System, systemFor } from './system.ts';
import { PREVIEW1_OFFER, preview1Functions } from './imports.ts';
import { testThread } from '../guest/test-evaluation.ts';

const WAT_TYPES: Readonly<Record<string, string>> = { i: 'i32', I: 'i64' };
const PAGE = 65_536;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A guest that does nothing but pass calls on: every function of WASI is exported under its own name. */
function passThrough(snapshot: Snapshot): Promise<Uint8Array> {
  const functions = Object.entries(PREVIEW1_OFFER.get(snapshot)?.signatures ?? {}).map(([name, signature]) => {
    const [parameters = '', result = ''] = signature
      .split('>')
      .map((part) => Array.from(part, (letter) => WAT_TYPES[letter]).join(' '));
    const type = `(param ${parameters}) (result ${result})`;
    const passed = parameters === '' ? [] : parameters.split(' ').map((_, index) => `(local.get ${index})`);
    return [
      `(import "${snapshot}" "${name}" (func $${name} ${type}))`,
      `(func (export "${name}") ${type} (call $${name} ${passed.join(' ')}))`,
    ];
  });
  const lines = [
    ...functions.map(([imported]) => imported),
    '(memory (export "memory") 1)',
    ...functions.map(([, own]) => own),
  ];
  return watModule(`(module ${lines.join('\n')})`);
}

const modules = {
  wasi_snapshot_preview1: new WebAssembly.Module(Uint8Array.from(await passThrough('wasi_snapshot_preview1'))),
  wasi_unstable: new WebAssembly.Module(Uint8Array.from(await passThrough('wasi_unstable'))),
};

function boot(snapshot: Snapshot = 'wasi_snapshot_preview1', argv: readonly string[] = []) {
  const host = new FakeHost();
  const guest = new Guest(host, TEST_LIMITS);
  const system: System = {
    guest,
    argv,
    stdin: new Stdin(),
    stdout: new CapturedOutput('standard output', TEST_LIMITS.maxOutputBytes),
    stderr: new CapturedOutput('standard error', TEST_LIMITS.maxOutputBytes),
  };
  const imports = WebAssembly.Module.imports(modules[snapshot]);
  const exports = instantiate(
    guest,
    modules[snapshot],
    linkImports(guest, imports, PREVIEW1_OFFER, preview1Functions(system)),
  );
  const call = (name: string, ...args: (number | bigint)[]): Promise<GuestOutcome> => {
    const exported: Callable | undefined = exportedFunction(exports, name);
    if (exported === undefined) throw new Error(`no such function: ${name}`);
    return guest.call(exported, ...args);
  };
  const errno = async (name: string, ...args: (number | bigint)[]): Promise<unknown> => {
    const outcome = await call(name, ...args);
    return outcome.kind === 'returned' ? outcome.value : outcome;
  };
  return { host, guest, system, call, errno, memory: guest.memory };
}

test('what is in the pipes belongs to one evaluation, and goes with its end', (t) => {
  const { guest, stdin, stdout, stderr } = systemFor(testThread());
  for (const end of [() => guest.detach(), () => guest.attach(new FakeHost())]) {
    stdin.append(encoder.encode('never read'));
    stdout.append(encoder.encode('printed'));
    stderr.append(encoder.encode('complained'));
    end();
    t.same([stdin.size, stdout.size, stderr.size], [0, 0, 0]);
  }
  t.end();
});

test('args_* lays out the words one after the other', async (t) => {
  const { errno, memory } = boot('wasi_snapshot_preview1', ['policy.wasm', 'validate']);
  t.equal(await errno('args_sizes_get', 0, 4), 0);
  t.equal(memory.readU32(0), 2);
  t.equal(memory.readU32(4), 21);
  t.equal(await errno('args_get', 16, 100), 0);
  t.equal(memory.readU32(16), 100);
  t.equal(memory.readU32(20), 112);
  t.equal(memory.text(100, 21), 'policy.wasm\0validate\0');
  t.equal(await errno('args_get', PAGE - 4, 100), 21, 'the second pointer would lie outside');
});

test('the environment is empty and no folder is open', async (t) => {
  const { errno, memory } = boot();
  memory.writeU32(0, 7);
  memory.writeU32(4, 7);
  t.equal(await errno('environ_sizes_get', 0, 4), 0);
  t.same([memory.readU32(0), memory.readU32(4)], [0, 0]);
  t.equal(await errno('environ_get', 0, 0), 0);
  t.equal(await errno('fd_prestat_get', 3, 0), 8);
  t.equal(await errno('fd_prestat_dir_name', 3, 0, 10), 8);
});

test('clocks are those of the host; processor time is not told', async (t) => {
  const { errno, memory, host } = boot();
  t.equal(await errno('clock_time_get', 0, 1n, 0), 0);
  t.equal(memory.readU64(0), host.nowNs());
  t.equal(await errno('clock_time_get', 1, 1n, 0), 0);
  t.equal(memory.readU64(0), host.monotonicNs());
  t.equal(await errno('clock_time_get', 2, 1n, 0), 58);
  t.equal(await errno('clock_time_get', -1, 1n, 0), 28);
  t.equal(await errno('clock_res_get', 1, 0), 0);
  t.equal(memory.readU64(0), 1000n);
  t.equal(await errno('clock_res_get', 9, 0), 28);
  t.equal(await errno('clock_time_get', 0, 1n, PAGE - 7), 21);
});

test('random_get fills exactly what was asked for, however much', async (t) => {
  const { errno, memory, guest } = boot();
  t.equal(await errno('random_get', 1, 3), 0);
  t.same([...memory.copy(0, 5)], [0, 0xa5, 0xa5, 0xa5, 0]);
  const sizes: number[] = [];
  guest.host.randomFill = (bytes) => sizes.push(bytes.length);
  t.equal(await errno('random_get', 0, PAGE), 0);
  t.same(sizes, [PAGE]);
  t.equal(await errno('random_get', 1, PAGE), 21);
  t.equal(await errno('random_get', 0, -1), 21);
});

test('a read of the empty pipe is an end of file that does not last', async (t) => {
  const { errno, memory, system } = boot();
  memory.writeU32(0, 100);
  memory.writeU32(4, 4);
  memory.writeU32(8, 200);
  memory.writeU32(12, 10);
  const read = async (): Promise<string> => {
    t.equal(await errno('fd_read', 0, 0, 2, 16), 0);
    const size = memory.readU32(16);
    return (
      decoder.decode(memory.copy(100, Math.min(size, 4))) + decoder.decode(memory.copy(200, Math.max(0, size - 4)))
    );
  };
  t.equal(await read(), '');
  system.stdin.append(encoder.encode('ab'));
  system.stdin.append(encoder.encode('cdefghijklmnop'));
  t.equal(await read(), 'abcdefghijklmn');
  t.equal(await read(), 'op');
  t.equal(await read(), '');
  system.stdin.append(encoder.encode('again'));
  t.equal(await read(), 'again');
  t.equal(await read(), '');
});

test('a refused read loses nothing', async (t) => {
  const { errno, memory, system } = boot();
  system.stdin.append(encoder.encode('payload'));
  memory.writeU32(0, 100);
  memory.writeU32(4, 7);
  memory.writeU32(8, PAGE - 1);
  memory.writeU32(12, 2);
  t.equal(await errno('fd_read', 0, 0, 1, PAGE), 21, 'the count has no place');
  t.equal(await errno('fd_read', 0, 0, 2, 16), 21, 'the second buffer lies outside');
  t.equal(await errno('fd_read', 0, 0, 1025, 16), 28, 'too many buffers');
  t.equal(await errno('fd_read', 0, -8, 2, 16), 21, 'the list of buffers does not wrap around');
  t.equal(await errno('fd_read', 1, 0, 1, 16), 8);
  t.equal(system.stdin.size, 7);
});

test('stdout and stderr are kept apart, and bounded', async (t) => {
  const { errno, call, memory, system } = boot();
  memory.write(100, encoder.encode('hello \u00e9'));
  memory.writeU32(0, 100);
  memory.writeU32(4, 8);
  t.equal(await errno('fd_write', 1, 0, 1, 16), 0);
  t.equal(memory.readU32(16), 8);
  t.equal(await errno('fd_write', 2, 0, 1, 16), 0);
  memory.write(100, encoder.encode('HELLO'));
  t.equal(system.stdout.text(), 'hello é', 'what was written is a copy');
  t.equal(system.stderr.text(), 'hello é');
  t.equal(await errno('fd_write', 0, 0, 1, 16), 8);
  memory.writeU32(4, TEST_LIMITS.maxOutputBytes - 7);
  t.same(await call('fd_write', 1, 0, 1, 16), {
    kind: 'limit',
    message: "the policy's standard output exceeds the limit of 4096 bytes",
  });
  t.equal(system.stdout.bytes().length, 8);
});

test('the standard streams are pipes', async (t) => {
  const { errno, memory, system, guest, host } = boot();
  memory.writeU64(0, 0xffffffffffffffffn);
  t.equal(await errno('fd_fdstat_get', 0, 0), 0);
  t.equal(memory.readU64(0), 0n, 'type unknown, no flags');
  t.not(memory.readU64(8) & 2n, 0n, 'may be read');
  t.equal(await errno('fd_fdstat_get', 1, 0), 0);
  t.equal(memory.readU64(8) & 2n, 0n);
  t.not(memory.readU64(8) & 64n, 0n, 'may be written');
  t.equal(await errno('fd_fdstat_get', 3, 0), 8);
  t.equal(await errno('fd_fdstat_set_flags', 0, 4), 0);
  t.equal(await errno('fd_seek', 0, 0n, 0, 0), 70);
  t.equal(await errno('fd_tell', 1, 0), 70);
  t.equal(await errno('fd_pread', 0, 0, 0, 0n, 0), 70);
  t.equal(await errno('fd_pwrite', 1, 0, 0, 0n, 0), 70);
  t.equal(await errno('fd_close', 2), 0);
  t.equal(await errno('fd_close', 2), 8);
  t.equal(await errno('fd_write', 2, 0, 0, 0), 8);
  t.equal(await errno('fd_fdstat_get', 2, 0), 8);
  t.equal(system.hasClosedStream, true);
  guest.attach(host);
  t.equal(await errno('fd_fdstat_get', 2, 0), 0, 'it is open again in the next evaluation');
  t.equal(system.hasClosedStream, false);
});

test('fd_filestat_get writes as many bytes as the snapshot has', async (t) => {
  for (const [snapshot, size] of [
    ['wasi_snapshot_preview1', 64],
    ['wasi_unstable', 56],
  ] as const) {
    const { errno, memory } = boot(snapshot);
    memory.window(0, 80).fill(0xff);
    t.equal(await errno('fd_filestat_get', 0, 0), 0);
    t.equal(memory.copy(0, 80).indexOf(0xff), size, snapshot);
  }
});

test('files, folders and sockets are refused', async (t) => {
  const { errno } = boot();
  t.equal(await errno('path_open', 3, 0, 0, 1, 0, 0n, 0n, 0, 8), 8);
  t.equal(await errno('path_open', 0, 0, 0, 1, 0, 0n, 0n, 0, 8), 54);
  t.equal(await errno('path_symlink', 0, 1, 3, 0, 1), 52);
  t.equal(await errno('fd_readdir', 3, 0, 1, 0n, 8), 8);
  t.equal(await errno('sock_accept', 0, 0, 0), 57);
  t.equal(await errno('sock_send', 5, 0, 0, 0, 0), 8);
  t.equal(await errno('fd_allocate', 1, 0n, 1n), 58);
  t.equal(await errno('proc_raise', 6), 52);
  t.equal(await errno('sched_yield'), 0);
});

test('proc_exit ends the guest with its code', async (t) => {
  const { call } = boot();
  t.match(await call('proc_exit', 0), { kind: 'exit', exitCode: 0 });
  t.match(await call('proc_exit', -1), { kind: 'exit', exitCode: 0xffffffff });
});

interface Wanted {
  userdata: bigint;
  type: number;
  /** Clock or descriptor. */
  of: number;
  timeoutNs?: bigint;
  absolute?: boolean;
}

test('poll_oneoff lets the guest sleep and wakes it for the earliest clock', async (t) => {
  for (const snapshot of ['wasi_snapshot_preview1', 'wasi_unstable'] as const) {
    const { errno, memory, host } = boot(snapshot);
    const layout = snapshot === 'wasi_unstable' ? { size: 56, clock: 24 } : { size: 48, clock: 16 };
    const poll = async (...wanted: Wanted[]): Promise<unknown> => {
      memory.window(0, 2048).fill(0);
      for (const [index, each] of wanted.entries()) {
        const at = index * layout.size;
        memory.writeU64(at, each.userdata);
        memory.writeU8(at + 8, each.type);
        memory.writeU32(at + (each.type === 0 ? layout.clock : 16), each.of);
        if (each.type !== 0) continue;
        memory.writeU64(at + layout.clock + 8, each.timeoutNs ?? 0n);
        memory.writeU16(at + layout.clock + 24, each.absolute === true ? 1 : 0);
      }
      const result = await errno('poll_oneoff', 0, 1024, wanted.length, 2000);
      if (result !== 0) return result;
      return Array.from({ length: memory.readU32(2000) }, (_, index) => {
        const at = 1024 + index * 32;
        return [memory.readU64(at), memory.readU16(at + 8), memory.readU8(at + 10), memory.readU64(at + 16)];
      });
    };
    t.same(await poll({ userdata: 7n, type: 0, of: 1, timeoutNs: 2_500_000n }), [[7n, 0, 0, 0n]]);
    t.same(host.sleptMs.splice(0), [3], 'rounded up');
    t.same(
      await poll(
        { userdata: 1n, type: 0, of: 1, timeoutNs: 9_000_000n },
        { userdata: 2n, type: 0, of: 0, timeoutNs: 4_000_000n },
      ),
      [[2n, 0, 0, 0n]],
    );
    t.same(host.sleptMs.splice(0), [4]);
    const soon = host.nowNs() + 5_000_000n;
    t.same(await poll({ userdata: 3n, type: 0, of: 0, timeoutNs: soon, absolute: true }), [[3n, 0, 0, 0n]]);
    t.same(
      await poll({ userdata: 4n, type: 0, of: 0, timeoutNs: soon, absolute: true }),
      [[4n, 0, 0, 0n]],
      'already past',
    );
    t.same(host.sleptMs.splice(0), [5]);
    t.same(await poll({ userdata: 5n, type: 0, of: 1, timeoutNs: 2n ** 64n - 1n }), [[5n, 0, 0, 0n]]);
    t.same(host.sleptMs.splice(0), [2_147_483_647], 'the longest a timer can take');
    t.same(
      await poll({ userdata: 6n, type: 0, of: 2, timeoutNs: 1n }),
      [[6n, 28, 0, 0n]],
      'a clock that is not offered',
    );
  }
});

test('poll_oneoff: streams are always ready, and the number of subscriptions is bounded', async (t) => {
  const { errno, memory, system, host } = boot();
  system.stdin.append(encoder.encode('abc'));
  const subscribe = (index: number, type: number, descriptor: number): void => {
    memory.writeU64(index * 48, BigInt(index));
    memory.writeU8(index * 48 + 8, type);
    memory.writeU32(index * 48 + 16, descriptor);
  };
  subscribe(0, 1, 0);
  subscribe(1, 2, 1);
  subscribe(2, 1, 5);
  subscribe(3, 2, 0);
  subscribe(4, 99, 0);
  t.equal(await errno('poll_oneoff', 0, 1024, 5, 2000), 0);
  t.equal(memory.readU32(2000), 5);
  const event = (index: number) => [memory.readU16(1024 + index * 32 + 8), memory.readU64(1024 + index * 32 + 16)];
  t.same(
    [event(0), event(1), event(2), event(3), event(4)],
    [
      [0, 3n],
      [0, 0n],
      [8, 0n],
      [8, 0n],
      [28, 0n],
    ],
  );
  t.equal(await errno('poll_oneoff', 0, 1024, 0, 2000), 28);
  t.equal(await errno('poll_oneoff', 0, 1024, 1025, 2000), 28);
  t.equal(await errno('poll_oneoff', PAGE - 47, 1024, 1, 2000), 21);
  t.equal(await errno('poll_oneoff', 0, PAGE - 31, 1, 2000), 21);
  t.equal(await errno('poll_oneoff', 0, 1024, 1, PAGE - 3), 21);
  t.same(host.sleptMs, []);
});

test('whatever addresses a guest passes, it gets an error number or is stopped, and the host stands', async (t) => {
  const random = randomFrom(20_261_121);
  const ADDRESSES = [0, 1, 2, 3, 8, 64, 1000, PAGE - 8, PAGE - 1, PAGE, PAGE + 1, 2 ** 31 - 1, -(2 ** 31), -1, -4, -8];
  const pick = (): number => (random(10) < 7 ? (ADDRESSES[random(ADDRESSES.length)] ?? 0) : random(2 ** 32) | 0);
  const ERRNOS = new Set<unknown>([0, 8, 21, 28, 52, 54, 57, 58, 70]);
  const deadline = performance.now() + 1500;
  let calls = 0;
  for (const snapshot of ['wasi_snapshot_preview1', 'wasi_unstable'] as const) {
    const signatures = Object.entries(PREVIEW1_OFFER.get(snapshot)?.signatures ?? {});
    for (let round = 0; round < 40 && performance.now() < deadline; round += 1) {
      const { call, memory, system } = boot(snapshot, ['policy.wasm', 'validate']);
      system.stdin.append(new Uint8Array(300).fill(7));
      for (let at = 0; at < 2048; at += 4) memory.writeU32(at, pick() >>> 0);
      for (const [name, signature] of signatures) {
        const args = Array.from(signature.split('>')[0] ?? '', (letter) => (letter === 'i' ? pick() : BigInt(pick())));
        const outcome = await call(name, ...args);
        calls += 1;
        const isFine =
          (outcome.kind === 'returned' && ERRNOS.has(outcome.value)) ||
          outcome.kind === 'limit' ||
          (outcome.kind === 'exit' && name === 'proc_exit');
        if (!isFine) t.same([snapshot, name, args, outcome], [], 'an unexpected outcome');
      }
    }
  }
  t.ok(calls > 1000, `${calls} calls`);
});
