import { test } from 'tap';
import type { EngineSample } from './contender.ts';
import type { CaseResult } from './measurement.ts';
import { caseTable, enginePlots } from './report.ts';

function rounds(...p50s: number[]): EngineSample[] {
  return p50s.map((p50) => ({
    latencyUs: { count: 1000, p50, mean: p50 * 2, p99: p50 * 10, max: p50 * 20 },
    cpuUs: p50 * 3,
    maxRssMib: 50,
  }));
}

function resultOf(evaluationsPerRound: number): CaseResult {
  return {
    name: 'rust/pod',
    requestBytes: 3062,
    moduleBytes: 223_435,
    evaluationsPerRound,
    loadMs: {},
    unable: { 'wasmtime-provider pooling': 'it ended' },
    rounds: {
      'portcullis reset': rounds(10, 20, 30),
      'portcullis fresh': rounds(100, 100, 100),
      'wasmtime pooling': rounds(20, 20, 20),
    },
  };
}

test('ratios are formed round by round, reset against fresh as well', async (t) => {
  const lines = caseTable(resultOf(1000)).map((line) => line.replaceAll(/ {2,}/g, '  ').trim());
  t.equal(lines[1], 'rust/pod: module 223 kB, request 3.1 kB; 3 rounds of 1000 evaluations');
  t.ok(lines.includes('portcullis reset  20.0 (10.0–30.0)  40.0 (20.0–60.0)  200.0 (100.0–300.0)  60.0 (30.0–90.0)'));
  t.ok(lines.includes(`÷ wasmtime pooling${'  1.00 (0.50–1.50)'.repeat(4)}`));
  t.ok(lines.includes(`÷ portcullis fresh${'  0.20 (0.10–0.30)'.repeat(4)}`));
  t.ok(lines.includes(`÷ wasmtime pooling${'  5.00 (5.00–5.00)'.repeat(4)}`));
  t.equal(lines.at(-1), 'wasmtime-provider pooling cannot run this module: it ended');
});

test('a p99 of a handful is not shown', async (t) => {
  const few = resultOf(20);
  t.notMatch(caseTable(few).join('\n'), 'p99');
  t.match(caseTable(resultOf(1000)).join('\n'), 'p99');
  t.notMatch(enginePlots([few])['p99'], 'rust/pod');
  t.match(enginePlots([few])['mean'], 'rust/pod');
});
