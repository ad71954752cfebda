import type { ImagedInstances, Lease } from '../guest/imaged-instances.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import { limitFailure } from './errors.ts';
import type { WapcInstance } from './instance.ts';

/**
 * Guests of the Rust SDK and our own outgrow four pages of room at 80 kB, and exchanging the instance for one with more room costs
 * some 100 µs, as much as making a new one for the next evaluation does. From here on it gains.
 */
const LARGE_BYTES = 64 * 1024;

/** One use of an instance. It knows the instance only until its end: whoever calls it later does not meet a stranger's. */
export class WapcEvaluation implements Evaluation {
  readonly #instances: ImagedInstances<WapcInstance>;
  readonly #operation: GuestOperation;
  readonly #host: GuestHost;
  #lease: Lease<WapcInstance> | undefined;

  private constructor(instances: ImagedInstances<WapcInstance>, operation: GuestOperation, host: GuestHost) {
    this.#instances = instances;
    this.#operation = operation;
    this.#host = host;
  }

  /** The one place where an evaluation comes to its instance, which is at its image then. */
  static async begin(
    instances: ImagedInstances<WapcInstance>,
    operation: GuestOperation,
    host: GuestHost,
  ): Promise<WapcEvaluation> {
    const evaluation = new WapcEvaluation(instances, operation, host);
    evaluation.#attach(instances.takeIdle() ?? (await instances.make((instance) => instance.start(host))));
    return evaluation;
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    if (this.#lease === undefined) return limitFailure(this.#operation, 'the evaluation was cut short');
    const isLarge = input.request.length + input.settings.length > LARGE_BYTES;
    const { instance } = isLarge ? this.#widen(this.#lease) : this.#lease;
    return instance.call(this.#operation, input);
  }

  end(): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    const { guest } = lease.instance;
    const { isReusable } = guest;
    if (isReusable) guest.detach();
    else guest.abandon();
    this.#instances.giveBack(lease, isReusable);
  }

  #widen(lease: Lease<WapcInstance>): Lease<WapcInstance> {
    const wide = this.#instances.widen(lease);
    if (wide === lease) return lease;
    lease.instance.guest.detach();
    this.#attach(wide);
    return wide;
  }

  #attach(lease: Lease<WapcInstance>): void {
    this.#lease = lease;
    // An instance without an image has just run its start code for this very evaluation: that counts, its output too.
    if (lease.image !== undefined) lease.instance.guest.attach(this.#host);
  }
}
