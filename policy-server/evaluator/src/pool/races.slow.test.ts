import { setTimeout as sleep } from 'node:timers/promises';
import { decodeUtf8, encodeUtf8 } from '@portcullis/protocol';
import { type Random, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { EvaluationError } from '../errors.ts';
import { obedientPolicy } from '../fixtures/obedient-policy.ts';
import { moduleKey, Modules } from '../modules.ts';
import type { CompiledPolicy } from '../runtimes/runtime.ts';
import type { Work } from './flight.ts';
import { EvaluationPool } from './pool.ts';
import { monotonicMs } from './turns.ts';

const LIMITS = { memoryPages: 64, maxOutputBytes: 2 ** 20, maxHostCallBytes: 2 ** 20, maxHostCalls: 10 };
const RUN_MS = 4000;

interface Setting {
  readonly pool: EvaluationPool;
  readonly random: Random;
  readonly work: (request: string, more?: Partial<Work>) => Work;
  /** The same policy where nothing checks whether it is to stop. */
  readonly unstoppable: Partial<Work>;
}

async function settingOf(seed: number): Promise<Setting> {
  const modules = new Modules({ limits: LIMITS, instances: 'reset', cacheDir: undefined, nowMs: monotonicMs });
  const module = await modules.prepare(await obedientPolicy(), 'kubewarden-wapc');
  const compiled = modules.compiled(module);
  if (compiled === undefined) throw new Error('the module was not compiled');
  const plan = { globals: [], image: { covered: false, reason: 'for a test' } } as const;
  const asItIs = [new WebAssembly.Module(Uint8Array.from(await obedientPolicy()))];
  const unstoppable: CompiledPolicy = { ...compiled, modules: asItIs, plans: [plan] };
  const pool = new EvaluationPool({
    concurrency: 2,
    maxQueueLength: 1000,
    limits: LIMITS,
    instances: 'reset',
    nowMs: monotonicMs,
  });
  const work = (request: string, more: Partial<Work> = {}): Work => ({
    policyId: 'innocent',
    moduleKey: moduleKey(module),
    compiled,
    operation: 'validate',
    input: { kind: 'raw', request: encodeUtf8(JSON.stringify(request)), settings: encodeUtf8('{}') },
    uid: '',
    timeoutMs: 60_000,
    hostCall: async ({ payload }) => {
      const [, id = '', ms = '0'] = decodeUtf8(payload).split('"')[3]?.split(':') ?? [];
      if (ms !== '0') await sleep(Number(ms));
      return encodeUtf8(id);
    },
    ...more,
  });
  return { pool, work, random: randomFrom(seed), unstoppable: { compiled: unstoppable, moduleKey: 'unstoppable' } };
}

/** What came of it: `right`, a reason why there is no answer, or what is wrong with the answer. */
async function outcomeOf({ pool, random, work }: Setting, more: Partial<Work>, signal?: AbortSignal): Promise<string> {
  const id = String(10 + random(90));
  const asksHost = random(2) === 0;
  try {
    const outcome = await pool.run(work(asksHost ? `h:${id}:${random(3)}` : 'a', more), { signal });
    if (outcome.kind !== 'validated') return outcome.kind;
    const { allowed, status } = outcome.response;
    return (asksHost ? status?.message === id : allowed) ? 'right' : JSON.stringify(outcome);
  } catch (error) {
    return error instanceof EvaluationError ? error.code : String(error);
  }
}

/** One of the ways an evaluation may meet its end. */
async function oneOf(setting: Setting): Promise<readonly [kind: string, outcome: string]> {
  const { pool, random, work } = setting;
  const control = new AbortController();
  const kind = random(10);
  if (kind < 4) return ['innocent', await outcomeOf(setting, {})];
  if (kind < 7) {
    if (random(3) === 0) setImmediate(() => control.abort());
    else setTimeout(() => control.abort(), random(4));
    return ['deserted', await outcomeOf(setting, { policyId: 'deserted' }, control.signal)];
  }
  if (kind < 9) return ['hurried', await outcomeOf(setting, { policyId: 'hurried', timeoutMs: 0.3 + random(25) / 10 })];
  const timeoutMs = 5 + random(60);
  // Its deadline, its caller's end and others who wait for its thread meet in the same moment.
  if (random(4) > 0) setTimeout(() => control.abort(), timeoutMs + random(3) - 1);
  const looping = work('l', { policyId: `looping ${random(3)}`, timeoutMs });
  const outcome = pool.run(looping, { signal: control.signal }).then(({ kind: end }) => end);
  return ['looping', await outcome.catch((error: EvaluationError) => error.code)];
}

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  innocent: ['right'],
  deserted: ['right', 'aborted'],
  hurried: ['right', 'timed-out', 'overloaded'],
  looping: ['timed-out', 'aborted', 'overloaded'],
};

for (const withReplacements of [false, true]) {
  const what = withReplacements ? 'while threads are replaced under them' : 'stopped, deserted and preempted';
  test(`thousands of evaluations ${what}: none is lost, none is told another's answer`, async (t) => {
    const setting = await settingOf(withReplacements ? 2 : 1);
    const { pool, work, random, unstoppable } = setting;
    const endsAtMs = monotonicMs() + RUN_MS;
    const seen = new Map<string, number>();
    const client = async (): Promise<void> => {
      while (monotonicMs() < endsAtMs) {
        const [kind, outcome] = await oneOf(setting);
        if (EXPECTED[kind]?.includes(outcome) !== true) t.fail(`${kind}: ${outcome}`);
        seen.set(`${kind}: ${outcome}`, (seen.get(`${kind}: ${outcome}`) ?? 0) + 1);
      }
    };
    const replace = async (): Promise<void> => {
      while (withReplacements && monotonicMs() < endsAtMs) {
        const stuck = work('l', { policyId: `stuck ${random(2)}`, timeoutMs: 20 + random(40), ...unstoppable });
        await pool.run(stuck).catch(() => undefined);
      }
    };
    await Promise.all([replace(), ...Array.from({ length: 24 }, client)]);
    t.comment(JSON.stringify(Object.fromEntries(seen)));
    t.ok((seen.get('innocent: right') ?? 0) > 20, 'innocents are answered');
    t.ok((seen.get('deserted: aborted') ?? 0) > 5 && (seen.get('looping: timed-out') ?? 0) > 0);
    t.match(pool.stats, { running: 0, suspended: 0, queued: 0 }, 'no seat is left taken');
    t.equal(pool.stats.threadsReplaced > 0, withReplacements);
    await pool.close();
  });
}
