import module from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { messageOf, type HostCall } from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import type { FromThread, MeasuredOperation, PlainAnswer, Task, ThreadSetup, Timing, ToThread } from './messages.ts';

export interface MeasuredPolicyOptions {
  /** What messages call the policy. */
  readonly name: string;
  /** The longest a call may take; `undefined` = for ever. */
  readonly timeoutMs: number | undefined;
  /** `iteration` tells the calls of the policy apart. */
  readonly hostCall: (call: HostCall, iteration: number) => Promise<Uint8Array>;
  readonly guestLog: (level: 'debug' | 'info' | 'warn', message: string) => void;
}

/** Compiling is ours, and may take its time. */
const OPENING_TIMEOUT_MS = 60_000;
const LOOK_EVERY_MS = 50;

/** One policy that is called on a thread of its own, so that it can be ended when it does not end by itself. */
export class MeasuredPolicy implements AsyncDisposable {
  readonly #options: MeasuredPolicyOptions;
  readonly #worker: Worker;
  readonly #calls: Int32Array;
  #waiting: PromiseWithResolvers<FromThread> | undefined;

  private constructor(setup: ThreadSetup, options: MeasuredPolicyOptions) {
    this.#options = options;
    this.#calls = new Int32Array(setup.calls);
    this.#worker = new Worker(new URL('./measuring-thread.ts', import.meta.url), {
      name: 'bench',
      env: threadEnvironment(),
      workerData: setup,
    });
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.on('error', (error) => this.#waiting?.reject(this.#failed(messageOf(error))));
    this.#worker.on('exit', () => this.#waiting?.reject(this.#failed('its thread ended')));
  }

  /** @throws KwctlError `evaluation-failed` when the policy cannot be run */
  static async open(setup: Omit<ThreadSetup, 'calls'>, options: MeasuredPolicyOptions): Promise<MeasuredPolicy> {
    const policy = new MeasuredPolicy({ ...setup, calls: new SharedArrayBuffer(4) }, options);
    try {
      await policy.#wait(OPENING_TIMEOUT_MS);
      return policy;
    } catch (error) {
      await policy[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One call, and what the policy answers. */
  async call(operation: MeasuredOperation): Promise<PlainAnswer> {
    const reply = await this.#perform({ kind: 'call', operation });
    if (reply.kind !== 'answer') throw new TypeError(`unexpected reply: ${reply.kind}`);
    return reply.answer;
  }

  /** Calls until the time is over, at least once. */
  async runFor(operation: MeasuredOperation, durationMs: number): Promise<Timing> {
    return this.#measure({ kind: 'measure', operation, amount: { durationMs } });
  }

  /** Calls so many times. */
  async runTimes(operation: MeasuredOperation, iterations: number): Promise<Timing> {
    return this.#measure({ kind: 'measure', operation, amount: { iterations } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting = undefined;
    await this.#worker.terminate();
  }

  async #measure(task: Task): Promise<Timing> {
    const reply = await this.#perform(task);
    if (reply.kind !== 'timing') throw new TypeError(`unexpected reply: ${reply.kind}`);
    return reply.timing;
  }

  #perform(task: Task): Promise<FromThread> {
    this.#send({ kind: 'task', task });
    return this.#wait(this.#options.timeoutMs);
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  /** Waits for the thread to be done, as long as no single call takes too long. */
  async #wait(timeoutMs: number | undefined): Promise<FromThread> {
    const waiting = Promise.withResolvers<FromThread>();
    this.#waiting = waiting;
    const watch = timeoutMs === undefined ? undefined : this.#watch(timeoutMs, waiting);
    try {
      return await waiting.promise;
    } finally {
      clearInterval(watch);
      this.#waiting = undefined;
    }
  }

  #watch(timeoutMs: number, { reject }: PromiseWithResolvers<FromThread>): NodeJS.Timeout {
    let seen = { calls: -1, atMs: 0 };
    return setInterval(() => {
      const calls = Atomics.load(this.#calls, 0);
      const nowMs = performance.now();
      if (calls !== seen.calls) seen = { calls, atMs: nowMs };
      else if (nowMs - seen.atMs > timeoutMs) {
        reject(this.#failed(`one call took longer than ${timeoutMs / 1000} seconds, the limit of --timeout`));
      }
    }, LOOK_EVERY_MS);
  }

  #receive(message: FromThread): void {
    switch (message.kind) {
      case 'host-call':
        void this.#answerHostCall(message);
        return;
      case 'guest-log':
        this.#options.guestLog(message.level, message.message);
        return;
      case 'problem':
        this.#waiting?.reject(this.#failed(message.message));
        return;
      case 'ready':
      case 'answer':
      case 'timing':
        this.#waiting?.resolve(message);
    }
  }

  async #answerHostCall({ id, iteration, call }: Extract<FromThread, { kind: 'host-call' }>): Promise<void> {
    try {
      this.#send({ kind: 'host-answer', id, bytes: await this.#options.hostCall(call, iteration) });
    } catch (error) {
      this.#send({ kind: 'host-error', id, message: messageOf(error) });
    }
  }

  #failed(why: string): KwctlError {
    return new KwctlError('evaluation-failed', `cannot measure ${this.#options.name}: ${why}`);
  }
}

/** The thread is a policy's: what is in our environment is no business of it, besides where compiled code of ours lies. */
function threadEnvironment(): Record<string, string> {
  const folder = module.getCompileCacheDir();
  return { NODE_NO_WARNINGS: '1', ...(folder !== undefined && { NODE_COMPILE_CACHE: dirname(folder) }) };
}
