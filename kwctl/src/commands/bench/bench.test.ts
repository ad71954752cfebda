import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCapabilityPatterns } from '@portcullis/protocol';
import { test } from 'tap';
import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import { openHost } from '../run/host.ts';
import { histogram } from './histogram.ts';
import { HostDesk } from './host-desk.ts';
import { benchOptions } from './options.ts';
import { planSampling } from './sampling.ts';
import { seededRandom, summarise } from './statistics.ts';
import { formatCount, formatTime, formatVariance } from './units.ts';

test('samples grow step by step, or are alike when calls are slow', async (t) => {
  const quick = planSampling(100, 1_000, 5e9);
  t.equal(quick.kind, 'linear');
  t.same(quick.iterations.slice(0, 3), [991, 1982, 2973]);
  t.ok(quick.expectedNs >= 5e9 && quick.expectedNs < 5.1e9);
  const slow = planSampling(100, 20e6, 5e9);
  t.match(slow, { kind: 'flat', expectedNs: 4e9 });
  t.same(new Set(slow.iterations), new Set([2]));
  t.match(planSampling(10, 3e9, 1e9), { kind: 'flat', expectedNs: 30e9, iterations: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1] });
  t.same(planSampling(5, 1_000, 0).iterations, [1, 1, 1, 1, 1]);
});

test('statistics: known values, and bounds that hold as often as they say', async (t) => {
  const known = summarise([2, 4, 4, 4, 5, 5, 7, 9], 2_000, seededRandom(1));
  t.match(known, { min: 2, max: 9, mean: { value: 5 }, median: { value: 4.5 } });
  t.equal(known.variance, 32 / 7);
  t.equal(known.standardDeviation, Math.sqrt(32 / 7));
  t.match(summarise([3, 3], 10, seededRandom(1)), {
    variance: 0,
    mean: { low: 3, value: 3, high: 3 },
    median: { low: 3, high: 3 },
  });
  t.same(summarise([1, 2, 3], 500, seededRandom(7)), summarise([3, 2, 1], 500, seededRandom(7)), 'order plays no part');
  const random = seededRandom(20);
  let [meanHolds, medianHolds] = [0, 0];
  for (let round = 0; round < 200; round++) {
    const samples = Array.from({ length: 40 }, () => random() + random() + random());
    const { mean, median } = summarise(samples, 300, random);
    if (mean.low <= 1.5 && 1.5 <= mean.high) meanHolds++;
    if (median.low <= 1.5 && 1.5 <= median.high) medianHolds++;
  }
  t.ok(meanHolds > 176 && meanHolds < 200, `mean: ${meanHolds} of 200`);
  t.ok(medianHolds > 176 && medianHolds <= 200, `median: ${medianHolds} of 200`);
});

test('times and counts are shown in the unit they need; a variance in the square of that of its root', async (t) => {
  t.same([0, 999, 1_000, 15_870, 1.5e6, 2.04e9].map(formatTime), [
    '0.00ns',
    '999.00ns',
    '1.00µs',
    '15.87µs',
    '1.50ms',
    '2.04s',
  ]);
  t.same([1, 100, 65_700, 2.5e6, 3e9].map(formatCount), [
    '1.0',
    '100.0',
    '65.7 thousand',
    '2.5 million',
    '3.0 billion',
  ]);
  t.equal(formatVariance(5_370 ** 2), '28.84µs²');
  t.equal(formatVariance(2), '2.00ns²');
});

test('the histogram has a line for outliers, and fits the terminal', async (t) => {
  const samples = [...Array.from({ length: 80 }, (_, index) => 1_000 + index), 90_000, 95_000];
  const lines = histogram(samples, 80);
  t.equal(lines.length, 9);
  t.match(lines.at(-1), /^\t> 1\.\d\dµs {2}2 /);
  t.ok(
    lines.every((line) => line.length < 80),
    'narrow',
  );
  const counts = lines.map((line) => Number(/s +(\d+)(?: |$)/.exec(line)?.[1]));
  t.equal(
    counts.reduce((sum, count) => sum + count, 0),
    samples.length,
    'no sample is lost',
  );
  t.same(histogram([5, 5, 5], 80), [], 'nothing to tell apart');
  t.same(histogram([], 80), []);
});

function given(options: Record<string, string>): CommandArguments {
  return { options: new Map(Object.entries(options).map(([id, value]) => [id, [value]])), positionals: [] };
}

test('numbers of the command line: the defaults, and the words of what is none', async (t) => {
  t.match(benchOptions(given({})), {
    warmUpMs: 3_000,
    measurementMs: 5_000,
    samples: 100,
    resamples: 100_000,
    isDumped: false,
  });
  t.match(
    benchOptions(given({ 'num-samples': '7', 'num-resamples': '+9' })),
    { samples: 7, resamples: 9 },
    '--num-samples is not --num-resamples',
  );
  t.match(benchOptions({ options: new Map([['dump-results-to-disk', []]]), positionals: [] }), { isDumped: true });
  const cases: [Record<string, string>, string][] = [
    [{ 'warm-up-time': 'x' }, "Cannot convert 'warm-up-time' to seconds: ParseIntError { kind: InvalidDigit }"],
    [
      { 'measurement-time': '1.5' },
      "Cannot convert 'measurement-time' to seconds: ParseIntError { kind: InvalidDigit }",
    ],
    [{ 'num-samples': '-3' }, "Cannot convert 'num-samples' to number: ParseIntError { kind: InvalidDigit }"],
    [{ 'num-resamples': '' }, "Cannot convert 'num-resamples' to number: ParseIntError { kind: Empty }"],
    [
      { 'num-samples': '18446744073709551616' },
      "Cannot convert 'num-samples' to number: ParseIntError { kind: PosOverflow }",
    ],
    [{ 'num-samples': '1' }, "'num-samples' must be between 2 and 100000, got 1"],
    [{ 'num-samples': '100000' }, "'num-samples' times 'num-resamples' must be at most 1000000000, got 10000000000"],
  ];
  for (const [options, message] of cases)
    t.throws(() => benchOptions(given(options)), new KwctlError('bench-invalid', message));
});

test('a recorded session begins anew with every measured call', async (t) => {
  const folder = t.testdir({});
  const replayPath = join(folder, 'session.yml');
  writeFileSync(
    replayPath,
    '- type: Exchange\n  request: |\n    !DNSLookupHost\n    host: a\n  response:\n    type: Success\n    payload: \'{"ips":["1.2.3.4"]}\'\n',
  );
  const context = { log: () => undefined } as unknown as CommandContext;
  await using host = await openHost({ replayPath, recordPath: undefined }, given({}), context);
  const subject = {
    policyId: 'p',
    module: 'file:///p.wasm',
    setup: {
      bytes: new Uint8Array(),
      mode: 'kubewarden-wapc',
      settings: new Uint8Array(),
      request: { kind: 'raw', bytes: new Uint8Array() },
    },
    timeoutMs: undefined,
    contextAwareResources: [],
  } as const;
  using desk = new HostDesk(subject, host, parseCapabilityPatterns(['*']));
  const ask = async (iteration: number): Promise<string> => {
    const call = {
      binding: 'kubewarden',
      namespace: 'net',
      operation: 'v1/dns_lookup_host',
      payload: Buffer.from('"a"'),
    };
    return desk.answer(call, iteration).then(
      (bytes) => Buffer.from(bytes).toString(),
      (error: Error) => error.message,
    );
  };
  host.begin();
  t.equal(await ask(1), '{"ips":["1.2.3.4"]}');
  t.match(await ask(2), /the list of recorded responses is empty/, 'the first two calls are one run');
  desk.turnTo(host);
  for (const iteration of [3, 4, 5]) t.equal(await ask(iteration), '{"ips":["1.2.3.4"]}', `call ${iteration}`);
  t.match(await ask(5), /the list of recorded responses is empty/, 'twice in one call');
});
