import type { MessagePort } from 'node:worker_threads';
import { messageOf } from '@portcullis/protocol';
import type {
  CompiledPolicy,
  Evaluation,
  GuestHost,
  InstanceReport,
  Prepared,
  ThreadContext,
} from '../runtimes/runtime.ts';
import { runtimeFor } from '../runtimes/registry.ts';
import { HostBridge } from './host-call.ts';
import { interpretAnswer } from './interpretation.ts';
import type {
  EvaluateOutcome,
  EvaluateTask,
  MessageToHost,
  MessageToThread,
  OpenTask,
  TaskResult,
  ThreadTask,
} from './messages.ts';
import { Turns, monotonicMs } from './turns.ts';

// The entry of a worker thread: piscina imports this file and calls `run` for what concerns the thread. Evaluations come over its
// channel.

interface OpenThread {
  readonly port: MessagePort;
  readonly turns: Turns;
  readonly context: ThreadContext;
  readonly bridge: HostBridge;
}

/** One flight per module: evaluations that need it at the same time prepare it once. */
const prepared = new Map<string, Promise<Prepared>>();

/** Does what the main thread asks of this thread. */
export async function run(task: ThreadTask): Promise<TaskResult> {
  switch (task.kind) {
    case 'report':
      return report(task.moduleKey);
    case 'open':
      open(task);
      return undefined;
  }
}

async function report(moduleKey: string): Promise<InstanceReport | undefined> {
  return (await prepared.get(moduleKey))?.instances;
}

function open({ port, control, limits, instances }: OpenTask): void {
  const turns = new Turns(control);
  const bridge = new HostBridge(port, turns);
  const thread: OpenThread = { port, turns, context: { limits, control, instances }, bridge };
  port.on('message', (message: MessageToThread) => {
    if (message.kind === 'evaluate') void answer(message, thread);
    else bridge.receive(message);
  });
}

/** A fault of ours ends the thread, as an unhandled rejection: whoever is on it starts over elsewhere. */
async function answer(task: EvaluateTask, thread: OpenThread): Promise<void> {
  const { evaluationId } = task;
  const outcome = await evaluate(task, thread);
  thread.port.postMessage({ kind: 'outcome', evaluationId, outcome } satisfies MessageToHost);
}

async function evaluate(task: EvaluateTask, { turns, context, bridge }: OpenThread): Promise<EvaluateOutcome> {
  let ready: Prepared;
  try {
    ready = await prepare(task, context);
  } catch (error) {
    return { kind: 'not-prepared', message: messageOf(error) };
  }
  const { evaluationId, seat } = task;
  if (!turns.start(seat, evaluationId, monotonicMs())) return { kind: 'abandoned' };
  const guest = bridge.seat(evaluationId, seat);
  // A stop looks like a trap of the guest's own, or like an answer that came a moment before it: either means nothing.
  const leave = (): EvaluateOutcome | undefined => {
    guest.leave();
    const isStopped = turns.finish(seat);
    if (guest.givenUp) return { kind: 'abandoned' };
    return isStopped ? { kind: 'stopped' } : undefined;
  };
  try {
    const outcome = await evaluateOnce(task, ready, { host: guest.host, turns });
    return leave() ?? outcome;
  } catch (error) {
    const cut = leave();
    if (cut !== undefined) return cut;
    throw error;
  }
}

/** One evaluator from its image to its end. */
async function evaluateOnce(
  task: EvaluateTask,
  ready: Prepared,
  { host, turns }: { host: GuestHost; turns: Turns },
): Promise<EvaluateOutcome> {
  let evaluation: Evaluation;
  try {
    evaluation = await ready.begin(task.operation, host);
  } catch (error) {
    return { kind: 'not-initialised', message: messageOf(error) };
  }
  turns.begin(task.seat);
  try {
    return interpretAnswer(task, await evaluation.call(task.input));
  } finally {
    evaluation.end();
  }
}

async function prepare({ moduleKey, compiled }: EvaluateTask, context: ThreadContext): Promise<Prepared> {
  const known = prepared.get(moduleKey);
  if (known !== undefined) return known;
  if (compiled === undefined) throw new Error('the thread was never given this module');
  const flight = prepareCompiled(compiled, context);
  prepared.set(moduleKey, flight);
  flight.catch(() => prepared.delete(moduleKey));
  return flight;
}

async function prepareCompiled(compiled: CompiledPolicy, context: ThreadContext): Promise<Prepared> {
  const runtime = await runtimeFor(compiled.mode);
  return runtime.prepare(compiled, context);
}
