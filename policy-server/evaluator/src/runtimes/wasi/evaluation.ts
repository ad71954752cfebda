import type { Lease } from '../guest/imaged-instances.ts';
import type { GuestOutcome } from '../guest/guest.ts';
import { payloadFor } from '../guest/payload.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import { limitFailure, PROTOCOL_VERSION_UNSUPPORTED } from './errors.ts';
import { LARGE_BYTES, type WasiInstance } from './instance.ts';

/** Where an evaluation got its instance from, and where it gives it back to. */
export interface Source {
  /** Exchanges an instance in which nothing has run for one with more room, for a large request. */
  widen?(lease: Lease<WasiInstance>): Lease<WasiInstance>;
  /** Runs the program on the instance, from where that stands to its end. */
  run(instance: WasiInstance, payload: Uint8Array): Promise<GuestOutcome>;
  giveBack(lease: Lease<WasiInstance>, clean: boolean): void;
  /** What is to be learnt from the run; the answer waits for it. */
  learn?(instance: WasiInstance, outcome: GuestOutcome, payload: Uint8Array): Promise<void>;
}

/** One use of an instance. It knows the instance only until its end: whoever calls it later does not meet a stranger's. */
export class WasiEvaluation implements Evaluation {
  readonly #operation: GuestOperation;
  readonly #host: GuestHost;
  readonly #source: Source;
  #lease: Lease<WasiInstance> | undefined;
  #isReusable = false;

  /** The instance is attached to the host already. */
  constructor(
    { operation, host }: { readonly operation: GuestOperation; readonly host: GuestHost },
    lease: Lease<WasiInstance>,
    source: Source,
  ) {
    this.#operation = operation;
    this.#host = host;
    this.#lease = lease;
    this.#source = source;
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    const operation = this.#operation;
    if (this.#lease === undefined) return limitFailure(operation, 'the evaluation was cut short');
    const payload = payloadFor(operation, input);
    if (payload.length > LARGE_BYTES) this.#lease = this.#widened(this.#lease);
    const { instance } = this.#lease;
    const outcome = await this.#source.run(instance, payload);
    const answer = instance.answerOf(operation, outcome);
    await this.#source.learn?.(instance, outcome, payload);
    this.#isReusable = instance.isReusableAfter(outcome);
    return answer;
  }

  #widened(lease: Lease<WasiInstance>): Lease<WasiInstance> {
    const wide = this.#source.widen?.(lease) ?? lease;
    if (wide === lease) return lease;
    lease.instance.guest.detach();
    wide.instance.attach(this.#operation, this.#host);
    return wide;
  }

  end(): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    const { guest } = lease.instance;
    if (this.#isReusable) guest.detach();
    else guest.abandon();
    this.#source.giveBack(lease, this.#isReusable);
  }
}

/** Programs are not asked for a protocol version: nothing runs. */
export const NO_PROTOCOL_VERSION: Evaluation = {
  call: async () => PROTOCOL_VERSION_UNSUPPORTED,
  end: () => undefined,
};
