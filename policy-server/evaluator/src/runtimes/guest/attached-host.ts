import type { HostCall } from '@portcullis/protocol';
import type { GuestHost } from '../runtime.ts';

/** What stands in for a host between two evaluations. Nothing runs then, so nothing asks. */
const NOBODY: GuestHost = {
  hostCall: () => Promise.reject(noEvaluation()),
  sleep: () => Promise.reject(noEvaluation()),
  log() {
    throw noEvaluation();
  },
  nowNs() {
    throw noEvaluation();
  },
  monotonicNs() {
    throw noEvaluation();
  },
  randomFill() {
    throw noEvaluation();
  },
};

function noEvaluation(): Error {
  return new Error('no evaluation is under way');
}

/**
 * The host of the evaluation an instance is used for. The imports of an instance are bound to it once; who stands behind it
 * changes from evaluation to evaluation.
 */
export class AttachedHost implements GuestHost {
  #host: GuestHost = NOBODY;
  #deed: string | undefined;

  /** What the guest did that others saw, in words that follow `it`; `undefined` = nothing. */
  get deed(): string | undefined {
    return this.#deed;
  }

  attach(host: GuestHost): void {
    this.#host = host;
    this.#deed = undefined;
  }

  detach(): void {
    this.#host = NOBODY;
  }

  hostCall(call: HostCall): Promise<Uint8Array> {
    this.#deed ??= 'asks the host';
    return this.#host.hostCall(call);
  }

  log(level: 'debug' | 'info' | 'warn', message: string): void {
    this.#deed ??= 'writes to the log';
    this.#host.log(level, message);
  }

  nowNs(): bigint {
    return this.#host.nowNs();
  }

  monotonicNs(): bigint {
    return this.#host.monotonicNs();
  }

  randomFill(bytes: Uint8Array): void {
    this.#host.randomFill(bytes);
  }

  sleep(ms: number): Promise<void> {
    return this.#host.sleep(ms);
  }
}
