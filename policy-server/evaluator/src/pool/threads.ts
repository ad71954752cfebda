import { MessageChannel } from 'node:worker_threads';
import { Piscina, type PiscinaTask, queueOptionsSymbol } from 'piscina';
import type { GuestLimits, InstanceMode, InstanceReport } from '../runtimes/runtime.ts';
import { threadEnvironment } from '../thread-environment.ts';
import type { MessageToHost, TaskResult, ThreadTask } from './messages.ts';
import { Thread } from './thread.ts';

const WORKER = new URL('./worker.ts', import.meta.url).href;

/**
 * Three times what V8 calls a semi-space. By itself V8 goes up to 48 MB and keeps them; a thread needs little beyond the bytes of the
 * requests at hand. Two threads take 23 and 13 MB after a load without this bound and 4 each with it.
 */
const YOUNG_GENERATION_MEGABYTES = 6;

export interface ThreadsOptions {
  readonly count: number;
  readonly limits: GuestLimits;
  readonly instances: InstanceMode;
  /** A thread can be given work; `isReplacement` = it takes the place of one that came to its end. */
  readonly onOpen: (thread: Thread, isReplacement: boolean) => void;
  readonly onMessage: (thread: Thread, message: MessageToHost) => void;
  /** A thread came to its end by itself; another one takes its place. */
  readonly onLost: (thread: Thread, error: Error) => void;
  /** No thread is left and none will come. */
  readonly onExhausted: (error: Error) => void;
}

/**
 * The worker threads. piscina starts them, opens them and starts another whenever one is ended. Evaluations do not take the way
 * of its tasks: which thread they go to is decided by the caller, who alone knows which guests are suspended, and over a channel of
 * the thread's own they arrive, in order with all else that is said about them, at half of the cost.
 */
export class Threads {
  readonly #piscina: Piscina<ThreadTask, TaskResult>;
  readonly #options: ThreadsOptions;
  readonly #threads = new Map<number, Thread>();
  readonly #complete = Promise.withResolvers<void>();
  #opened = 0;
  #closed = false;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#piscina = new Piscina({
      filename: WORKER,
      name: 'run',
      minThreads: options.count,
      maxThreads: options.count,
      // Tasks are few: one that opens the thread, and now and then a question about it.
      concurrentTasksPerWorker: 8,
      idleTimeout: Infinity,
      // Else a thread without tasks blocks until there is one, and does not hear its channel.
      atomics: 'disabled',
      recordTiming: false,
      // A policy's thread has no business with the environment of the server, nor with the flags it was started with.
      env: threadEnvironment(),
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MEGABYTES },
      loadBalancer: (task, workers) => workers.find(({ id }) => id === addressOf(task)) ?? null,
    });
    this.#piscina.on('workerCreate', (worker: { readonly id: number }) => void this.#open(worker.id));
    this.#piscina.on('error', (error: Error) => this.#reportLoss(error));
  }

  /** Resolves once as many threads as were asked for have been opened, or none will be any more. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  all(): readonly Thread[] {
    return [...this.#threads.values()];
  }

  /** How a module's evaluations come to their image: by a reset, if all threads that have the module say so. */
  async instances(moduleKey: string): Promise<InstanceReport | undefined> {
    const reports = await Promise.all([...this.#threads.values()].map((thread) => this.#report(thread, moduleKey)));
    return reports.find((report) => report?.kind === 'fresh') ?? reports.find((report) => report !== undefined);
  }

  /** Ends a thread wherever it is, unless it has come to its end already; another one takes its place. */
  replace(thread: Thread, error = new Error('the thread was replaced')): void {
    this.#threads.delete(thread.id);
    clearTimeout(thread.watch);
    thread.isDead = true;
    thread.port.close();
    void thread.worker.terminate();
    this.#reportLoss(error);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#complete.resolve();
    for (const thread of this.#threads.values()) {
      clearTimeout(thread.watch);
      thread.port.close();
    }
    this.#threads.clear();
    await this.#piscina.destroy();
  }

  async #report(thread: Thread, moduleKey: string): Promise<InstanceReport | undefined> {
    const task: ThreadTask = { kind: 'report', moduleKey };
    try {
      return await this.#piscina.run(addressed(task, thread.id));
    } catch {
      // It came to its end; another one takes its place.
      return undefined;
    }
  }

  async #open(threadId: number): Promise<void> {
    const worker = this.#piscina.threads.find((each) => each.threadId === threadId);
    if (worker === undefined) return;
    const { port1, port2 } = new MessageChannel();
    const thread = new Thread(worker, port1);
    const task: ThreadTask = {
      kind: 'open',
      port: port2,
      control: thread.turns.control,
      limits: this.#options.limits,
      instances: this.#options.instances,
    };
    // Its declaration asks for the wrong type: the one of `structuredClone`'s options.
    const transfer: object = { transferList: [port2] };
    try {
      await this.#piscina.run(addressed(task, threadId), transfer);
    } catch (error) {
      port1.close();
      this.#reportLoss(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#closed) {
      port1.close();
      return;
    }
    port1.on('message', (message: MessageToHost) => this.#options.onMessage(thread, message));
    port1.unref();
    this.#followEnd(thread);
    this.#threads.set(threadId, thread);
    this.#opened++;
    const { count, onOpen } = this.#options;
    if (this.#opened === count) this.#complete.resolve();
    onOpen(thread, this.#opened > count);
  }

  #followEnd(thread: Thread): void {
    const { worker } = thread;
    let cause: Error | undefined;
    worker.once('error', (error) => {
      cause = error instanceof Error ? error : new Error(String(error));
    });
    worker.once('exit', (code) => {
      if (thread.isDead || this.#closed) return;
      this.#options.onLost(thread, cause ?? new Error(`worker exited with code: ${code}`));
    });
  }

  #reportLoss(error: Error): void {
    if (this.#closed || this.#piscina.threads.length > 0) return;
    this.#complete.resolve();
    this.#options.onExhausted(error);
  }
}

function addressOf(task: PiscinaTask): unknown {
  const address = task[queueOptionsSymbol];
  return address !== null && 'threadId' in address ? address.threadId : undefined;
}

/** Says which thread a task is for; piscina hands this to the balancer and leaves it out of the message. */
function addressed<T extends ThreadTask>(task: T, threadId: number): T {
  return Object.assign({}, task, { [queueOptionsSymbol]: { threadId } });
}
