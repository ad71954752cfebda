import { Histogram } from './histogram.ts';
import type { LoadCounts, Verdict } from './plan.ts';
import type { PreparedRequest } from './target.ts';

const SAID: Readonly<Record<Verdict, Buffer>> = {
  allowed: Buffer.from('"allowed":true'),
  denied: Buffer.from('"allowed":false'),
};

/** So many failed connections without an answer between them: the server is gone. */
const GIVE_UP_AFTER = 1000;

/** What happened between the end of the warm-up and the end of the run. */
export class Recorder {
  readonly #latencies = new Histogram();
  readonly #lateness = new Histogram();
  readonly #statuses = new Map<number, number>();
  readonly #failures = new Map<string, number>();
  readonly #fromMs: number;
  readonly #maxRequests: number;
  readonly #enough: () => void;
  #answers = 0;
  #wrong = 0;
  #failuresInARow = 0;
  #cpu = process.cpuUsage();
  #startedMs: number | undefined;
  #lastAnswerMs = 0;

  /** `enough` is called once `maxRequests` answers were counted, or when nobody answers any more. */
  constructor(fromMs: number, maxRequests: number, enough: () => void) {
    this.#fromMs = fromMs;
    this.#maxRequests = maxRequests;
    this.#enough = enough;
  }

  /** `sentMs`: when it was sent, or was to be sent. */
  answered(request: PreparedRequest, status: number, body: Buffer, sentMs: number): void {
    const nowMs = performance.now();
    this.#failuresInARow = 0;
    if (sentMs < this.#fromMs || this.#answers >= this.#maxRequests) return;
    this.#begin();
    this.#latencies.record((nowMs - sentMs) * 1000);
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    if (request.expect !== undefined && !body.includes(SAID[request.expect])) this.#wrong += 1;
    this.#lastAnswerMs = nowMs;
    this.#answers += 1;
    if (this.#answers === this.#maxRequests) this.#enough();
  }

  /** Called when the driver notices that a request is due; that it may have to wait for a connection is the server's doing. */
  due(intendedMs: number): void {
    if (intendedMs >= this.#fromMs) this.#lateness.record((performance.now() - intendedMs) * 1000);
  }

  failed(reason: string): void {
    this.#failuresInARow += 1;
    if (this.#failuresInARow === GIVE_UP_AFTER) this.#enough();
    if (performance.now() < this.#fromMs) return;
    this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
  }

  result(unsent: number): LoadCounts {
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      latencies: this.#latencies.toCounts(),
      statuses: Object.fromEntries(this.#statuses),
      wrong: this.#wrong,
      failures: Object.fromEntries(this.#failures),
      lateness: this.#lateness.toCounts(),
      unsent,
      elapsedMs: this.#answers === 0 ? 0 : this.#lastAnswerMs - this.#fromMs,
      driverCpuMs: (user + system) / 1000,
    };
  }

  #begin(): void {
    if (this.#startedMs !== undefined) return;
    this.#startedMs = performance.now();
    this.#cpu = process.cpuUsage();
  }
}
