import type { GuestHost, GuestLimits } from '../runtime.ts';
import type { BuiltinContext } from './builtins/builtin.ts';
import type { RegoValue } from './value.ts';

/** What builtins may ask of the outside. */
export type BuiltinHost = Pick<GuestHost, 'log' | 'nowNs' | 'randomFill'>;

/** Nobody: between two evaluations, no clock and no log belongs to the guest. */
const NO_HOST: BuiltinHost = {
  log: () => undefined,
  nowNs: () => 0n,
  randomFill: () => undefined,
};

/**
 * Bound of every text that goes into a builtin or comes out of it. It is read, parsed and printed in steps that cannot be stopped
 * in between, each of which may take a few hundredths of a second for so much.
 */
const MAX_BUILTIN_BYTES = 4 * 1024 * 1024;

/**
 * All that builtins and imports remember during an evaluation. It outlives it, as its instance does, and forgets everything when
 * the next one begins.
 */
export class EvaluationContext implements BuiltinContext {
  readonly memo = new Map<string, RegoValue>();
  readonly maxBytes: number;
  readonly #maxLogBytes: number;
  #host = NO_HOST;
  #nowNs: bigint | undefined;
  #logBytesLeft = 0;

  constructor({ maxHostCallBytes, maxOutputBytes }: GuestLimits) {
    this.maxBytes = Math.min(maxHostCallBytes, MAX_BUILTIN_BYTES);
    this.#maxLogBytes = maxOutputBytes;
  }

  begin(host: BuiltinHost): void {
    this.memo.clear();
    this.#host = host;
    this.#nowNs = undefined;
    this.#logBytesLeft = this.#maxLogBytes;
  }

  end(): void {
    this.begin(NO_HOST);
  }

  nowNs(): bigint {
    return (this.#nowNs ??= this.#host.nowNs());
  }

  randomFill(bytes: Uint8Array): void {
    this.#host.randomFill(bytes);
  }

  /** Whether the evaluation left something in the log. */
  get hasLogged(): boolean {
    return this.#logBytesLeft < this.#maxLogBytes;
  }

  /** Debug output of a policy, bounded as a whole. */
  trace(message: string): void {
    if (this.#logBytesLeft <= 0) return;
    const text = message.slice(0, this.#logBytesLeft);
    this.#logBytesLeft -= text.length + 1;
    this.#host.log('debug', text);
  }
}
