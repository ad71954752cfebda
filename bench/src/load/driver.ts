import { setTimeout as sleep } from 'node:timers/promises';
import { ClosedLoop } from './closed-loop.ts';
import { OpenLoop } from './open-loop.ts';
import type { LoadCounts, LoadPlan } from './plan.ts';
import { Recorder } from './recorder.ts';
import { targetOf } from './target.ts';

/** After the last send time, how long answers may still take. */
const DRAIN_MS = 10_000;
/** Connections are there before the first request is due. */
const LEAD_MS = 100;

/** Settles when the parent says that it has seen enough. */
const stopped = new Promise<void>((resolve) => {
  process.on('message', (message) => {
    if (message === 'stop') resolve();
  });
});

async function runClosed(plan: LoadPlan, pace: Extract<LoadPlan['pace'], { kind: 'closed' }>): Promise<LoadCounts> {
  const enough = Promise.withResolvers<void>();
  const fromMs = performance.now() + plan.warmUpMs;
  const recorder = new Recorder(fromMs, plan.maxRequests ?? Number.POSITIVE_INFINITY, enough.resolve);
  const loop = new ClosedLoop(targetOf(plan), recorder, pace);
  const over = sleep(plan.warmUpMs + plan.durationMs, undefined, { ref: false });
  await Promise.race([over, enough.promise, stopped]);
  loop.stop();
  return recorder.result(0);
}

async function runOpen(plan: LoadPlan, perSecond: number, connections: number): Promise<LoadCounts> {
  const enough = Promise.withResolvers<void>();
  const firstMs = performance.now() + LEAD_MS;
  const recorder = new Recorder(firstMs + plan.warmUpMs, plan.maxRequests ?? Number.POSITIVE_INFINITY, enough.resolve);
  const lastMs = firstMs + plan.warmUpMs + plan.durationMs;
  const loop = new OpenLoop(targetOf(plan), recorder, { perSecond, connections, firstMs, lastMs });
  await Promise.race([sleep(lastMs - performance.now(), undefined, { ref: false }), enough.promise, stopped]);
  const untilMs = performance.now() + DRAIN_MS;
  while (loop.unanswered > 0 && performance.now() < untilMs) await sleep(5);
  const result = recorder.result(loop.unsent);
  await loop.stop();
  return result;
}

process.once('message', (plan: LoadPlan) => {
  const { pace } = plan;
  const run = pace.kind === 'closed' ? runClosed(plan, pace) : runOpen(plan, pace.perSecond, pace.connections);
  run.then(
    (result) => process.send?.(result, () => process.disconnect?.()),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
      process.disconnect?.();
    },
  );
});
