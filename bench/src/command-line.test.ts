import { test } from 'tap';
import { BenchError } from './bench.ts';
import { readFlags } from './flags.ts';
import { withMetadata } from './modules/policy-metadata.ts';
import { processUsage } from './servers/process-usage.ts';
import { textTable } from './text-table.ts';

test('flags take the type of their defaults; a mistake is said in one line', async (t) => {
  const defaults = { rounds: 5, url: '' };
  t.same(readFlags([], defaults), { rounds: 5, url: '' });
  t.same(readFlags(['--rounds', '2.5', '--url=http://x/'], defaults), { rounds: 2.5, url: 'http://x/' });
  const mistakes: [string[], RegExp][] = [
    [['--rounds', '0'], /--rounds must be a number above 0, got "0"/],
    [['--rounds', 'many'], /got "many"/],
    [['--round', '1'], /Unknown option '--round'/],
    [['--url'], /argument missing/],
    [['x'], /Unexpected argument 'x'/],
  ];
  for (const [args, message] of mistakes) {
    const error = t.throws(() => readFlags(args, defaults), { message });
    t.ok(error instanceof BenchError);
  }
});

test('a table has columns', async (t) => {
  t.same(
    textTable([
      ['name', 'ms'],
      ['a', '1.0'],
      ['long name', '100.0', '!'],
    ]),
    ['name          ms', 'a            1.0', 'long name  100.0  !'],
  );
});

test('metadata is a custom section at the end', async (t) => {
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const module = await WebAssembly.compile(Buffer.from(withMetadata(empty, 'wasi')));
  const [content] = WebAssembly.Module.customSections(module, 'io.kubewarden.metadata');
  t.match(JSON.parse(Buffer.from(content ?? new ArrayBuffer(0)).toString()), {
    executionMode: 'wasi',
    mutating: false,
  });
});

test('CPU and memory of a process, as far as the system tells', { skip: process.platform !== 'linux' }, async (t) => {
  const before = processUsage(process.pid);
  const untilMs = performance.now() + 200;
  while (performance.now() < untilMs) Math.sqrt(untilMs);
  const after = processUsage(process.pid);
  t.ok(before !== undefined && after !== undefined && after.cpuMs > before.cpuMs);
  const { rss } = process.memoryUsage();
  t.ok(Math.abs((after?.rssMb ?? 0) - rss / 2 ** 20) < 32);
  t.equal(processUsage(2 ** 30), undefined);
});
