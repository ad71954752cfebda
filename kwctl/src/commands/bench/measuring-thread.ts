import { parentPort, workerData } from 'node:worker_threads';
import { openInlinePolicy, type InlinePolicy } from '@portcullis/evaluator';
import { messageOf, type HostCall } from '@portcullis/protocol';
import type {
  Amount,
  FromThread,
  MeasuredOperation,
  PlainAnswer,
  Task,
  ThreadSetup,
  Timing,
  ToThread,
} from './messages.ts';

// One policy on a thread of its own: a policy that loops for ever can be ended, and what the main thread does is not measured.

const port = parentPort;
if (port === null) throw new TypeError('to be run in a thread');
const setup = workerData as ThreadSetup;
const calls = new Int32Array(setup.calls);

function say(message: FromThread): void {
  port?.postMessage(message);
}

const hostCalls = new Map<number, PromiseWithResolvers<Uint8Array>>();
let lastHostCall = 0;
let iteration = 0;

function hostCall(call: HostCall): Promise<Uint8Array> {
  const waiting = Promise.withResolvers<Uint8Array>();
  hostCalls.set(++lastHostCall, waiting);
  say({ kind: 'host-call', id: lastHostCall, iteration, call });
  return waiting.promise;
}

function open(): Promise<InlinePolicy> {
  const { bytes, mode, settings, cacheDir } = setup;
  return openInlinePolicy(bytes, {
    mode,
    settings,
    hostCall,
    // Once is enough: measured calls say the same thousands of times.
    log: (level, message) => void (iteration <= 2 && say({ kind: 'guest-log', level, message })),
    ...(cacheDir !== undefined && { cacheDir }),
  });
}

async function callOnce(policy: InlinePolicy, operation: MeasuredOperation): Promise<PlainAnswer> {
  iteration++;
  Atomics.add(calls, 0, 1);
  const { request } = setup;
  return operation === 'validate' ? policy.validate(request.kind, request.bytes) : policy.validateSettings();
}

async function measure(policy: InlinePolicy, operation: MeasuredOperation, amount: Amount): Promise<Timing> {
  const most = 'iterations' in amount ? amount.iterations : Number.POSITIVE_INFINITY;
  const longestNs = 'durationMs' in amount ? amount.durationMs * 1e6 : Number.POSITIVE_INFINITY;
  const start = process.hrtime.bigint();
  let iterations = 0;
  let elapsedNs = 0;
  while (iterations === 0 || (iterations < most && elapsedNs < longestNs)) {
    const answer = await callOnce(policy, operation);
    if (answer.kind === 'failure') throw new Error(answer.message);
    iterations++;
    // The clock is read once when the number of calls is given: reading it costs as much as a small part of a call.
    if (iterations === most || longestNs < Number.POSITIVE_INFINITY) {
      elapsedNs = Number(process.hrtime.bigint() - start);
    }
  }
  return { iterations, elapsedNs };
}

async function perform(policy: InlinePolicy, task: Task): Promise<FromThread> {
  if (task.kind === 'measure') {
    return { kind: 'timing', timing: await measure(policy, task.operation, task.amount) };
  }
  return { kind: 'answer', answer: await callOnce(policy, task.operation) };
}

function settleHostCall(message: Exclude<ToThread, { kind: 'task' }>): void {
  const waiting = hostCalls.get(message.id);
  hostCalls.delete(message.id);
  if (message.kind === 'host-answer') waiting?.resolve(message.bytes);
  else waiting?.reject(new Error(message.message));
}

async function serve(): Promise<void> {
  const policy = await open();
  port?.on('message', (message: ToThread) => {
    if (message.kind !== 'task') return settleHostCall(message);
    perform(policy, message.task).then(say, (error: unknown) => say({ kind: 'problem', message: messageOf(error) }));
  });
  say({ kind: 'ready' });
}

serve().catch((error: unknown) => say({ kind: 'problem', message: messageOf(error) }));
