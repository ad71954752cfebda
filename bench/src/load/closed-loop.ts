import { Connection } from './connection.ts';
import type { Pace } from './plan.ts';
import type { Recorder } from './recorder.ts';
import type { Target } from './target.ts';

const RECONNECT_DELAY_MS = 10;
const TOO_MANY_REQUESTS = 429;

type ClosedPace = Extract<Pace, { kind: 'closed' }>;

/** Keeps `connections` requests in flight until it is told to stop. */
export class ClosedLoop {
  readonly #target: Target;
  readonly #recorder: Recorder;
  readonly #open = new Set<Connection>();
  readonly #backOffMs: number;
  #stopped = false;

  constructor(target: Target, recorder: Recorder, { connections, backOffMs = 0 }: ClosedPace) {
    this.#backOffMs = backOffMs;
    this.#target = target;
    this.#recorder = recorder;
    for (let index = 0; index < connections; index++) this.#connect();
  }

  /** Requests in flight are given up: they are neither answered nor failed. */
  stop(): void {
    this.#stopped = true;
    for (const connection of this.#open) connection.close();
    this.#open.clear();
  }

  #connect(): void {
    if (this.#stopped) return;
    let request = this.#target.next();
    let sentMs = performance.now();
    const send = (): void => {
      if (this.#stopped) return;
      request = this.#target.next();
      sentMs = performance.now();
      connection.send(request.bytes);
    };
    const connection: Connection = new Connection(this.#target.host, this.#target.port, {
      answered: (head, body) => {
        this.#recorder.answered(request, head.status, body, sentMs);
        if (this.#stopped) return;
        if (head.closes) return this.#replace(connection);
        if (head.status === TOO_MANY_REQUESTS && this.#backOffMs > 0) setTimeout(send, this.#backOffMs);
        else send();
      },
      failed: (reason) => {
        this.#recorder.failed(reason);
        this.#replace(connection);
      },
    });
    this.#open.add(connection);
    connection.send(request.bytes);
  }

  #replace(connection: Connection): void {
    this.#open.delete(connection);
    setTimeout(() => this.#connect(), RECONNECT_DELAY_MS);
  }
}
