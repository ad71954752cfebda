import { Worker } from 'node:worker_threads';
import { Connection } from './connection.ts';
import type { Recorder } from './recorder.ts';
import type { PreparedRequest, Target } from './target.ts';
import type { Ticks } from './ticker.ts';

export interface OpenLoopOptions {
  readonly perSecond: number;
  /** Requests that may be in flight; those beyond wait in the driver, and their waiting counts. */
  readonly connections: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

interface Due {
  readonly intendedMs: number;
  readonly request: PreparedRequest;
}

/** Sends at times fixed in advance, whatever the server does. */
export class OpenLoop {
  readonly #target: Target;
  readonly #recorder: Recorder;
  readonly #ticker: Worker;
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();
  readonly #inFlight = new Map<Connection, Due>();
  readonly #waiting: Due[] = [];
  #stopped = false;

  constructor(target: Target, recorder: Recorder, options: OpenLoopOptions) {
    this.#target = target;
    this.#recorder = recorder;
    for (let index = 0; index < options.connections; index++) this.#connect();
    const intervalMs = 1000 / options.perSecond;
    const { firstMs, lastMs } = options;
    const { timeOrigin } = performance;
    const workerData: Ticks = { firstMs: timeOrigin + firstMs, intervalMs, lastMs: timeOrigin + lastMs };
    this.#ticker = new Worker(new URL('ticker.ts', import.meta.url), { workerData });
    this.#ticker.on('message', (tick: number) => {
      const intendedMs = firstMs + tick * intervalMs;
      recorder.due(intendedMs);
      this.#waiting.push({ intendedMs, request: target.next() });
      this.#sendWaiting();
    });
  }

  get unanswered(): number {
    return this.#waiting.length + this.#inFlight.size;
  }

  get unsent(): number {
    return this.#waiting.length;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const connection of this.#open) connection.close();
    await this.#ticker.terminate();
  }

  #connect(): void {
    if (this.#stopped) return;
    const connection: Connection = new Connection(this.#target.host, this.#target.port, {
      answered: (head, body) => {
        const due = this.#inFlight.get(connection);
        this.#inFlight.delete(connection);
        if (due !== undefined) this.#recorder.answered(due.request, head.status, body, due.intendedMs);
        if (head.closes) return this.#replace(connection);
        this.#idle.push(connection);
        this.#sendWaiting();
      },
      failed: (reason) => {
        this.#recorder.failed(reason);
        this.#replace(connection);
      },
    });
    this.#open.add(connection);
    this.#idle.push(connection);
  }

  #replace(connection: Connection): void {
    this.#open.delete(connection);
    this.#inFlight.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    setTimeout(() => {
      this.#connect();
      this.#sendWaiting();
    }, 10);
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0) {
      const connection = this.#idle.pop();
      if (connection === undefined) return;
      const due = this.#waiting.shift();
      if (due === undefined) return;
      this.#inFlight.set(connection, due);
      connection.send(due.request.bytes);
    }
  }
}
