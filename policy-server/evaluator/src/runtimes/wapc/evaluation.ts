import type { ImagedInstances, Lease } from '../guest/imaged-instances.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import { limitFailure } from './errors.ts';
import type { WapcInstance } from './instance.ts';

/** One use of an instance. It knows the instance only until its end: whoever calls it later does not meet a stranger's. */
export class WapcEvaluation implements Evaluation {
  readonly #instances: ImagedInstances<WapcInstance>;
  readonly #operation: GuestOperation;
  #lease: Lease<WapcInstance> | undefined;

  private constructor(instances: ImagedInstances<WapcInstance>, lease: Lease<WapcInstance>, operation: GuestOperation) {
    this.#instances = instances;
    this.#lease = lease;
    this.#operation = operation;
  }

  /** The one place where an evaluation comes to its instance, which is at its image then. */
  static async begin(
    instances: ImagedInstances<WapcInstance>,
    operation: GuestOperation,
    host: GuestHost,
  ): Promise<WapcEvaluation> {
    const lease = instances.takeIdle() ?? (await instances.make((instance) => instance.start(host)));
    // An instance without an image has just run its start code for this very evaluation: that counts, its output too.
    if (lease.image !== undefined) lease.instance.guest.attach(host);
    return new WapcEvaluation(instances, lease, operation);
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    if (this.#lease === undefined) return limitFailure(this.#operation, 'the evaluation was cut short');
    return this.#lease.instance.call(this.#operation, input);
  }

  end(): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    const { guest } = lease.instance;
    const { isReusable } = guest;
    if (isReusable) guest.host.detach();
    else guest.abandon();
    this.#instances.giveBack(lease, isReusable);
  }
}
