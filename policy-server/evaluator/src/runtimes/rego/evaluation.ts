import type { Lease } from '../guest/imaged-instances.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import type { DataImages } from './data-images.ts';
import { gatekeeperDocuments, lengthOf, opaDocuments, type RegoDocuments } from './documents.ts';
import { evaluationFailed, regoFailureFrom, unsupported } from './errors.ts';
import type { RegoInstance } from './instance.ts';
import type { RegoInstances } from './instances.ts';

const VALID = new TextEncoder().encode('{"valid":true}');

/** As values a document takes a dozen times its text: beyond this the usual room will not do. */
const MAX_USUAL_BYTES = 12 * 1024;

export interface RegoEvaluationOptions {
  /** At the image behind start code. */
  readonly instances: RegoInstances;
  readonly dataImages: DataImages;
  readonly gatekeeper: boolean;
  readonly operation: GuestOperation;
  readonly host: GuestHost;
}

/** One use of an instance of a Rego policy. */
export class RegoEvaluation implements Evaluation {
  readonly #options: RegoEvaluationOptions;
  /** Those that the lease is of. */
  #instances: RegoInstances;
  #lease: Lease<RegoInstance> | undefined;
  /** Whether nothing ran in the instance, or what ran came to its proper end. */
  #clean = true;

  constructor(lease: Lease<RegoInstance>, options: RegoEvaluationOptions) {
    this.#options = options;
    this.#instances = options.instances;
    this.#lease = lease;
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    const { operation, gatekeeper } = this.#options;
    if (operation === 'protocol_version') return unsupported('Rego policies do not speak the waPC protocol');
    // Rego policies cannot judge their settings: that they load is all there is to know.
    if (operation === 'validate_settings') return { kind: 'response', bytes: VALID.slice() };
    if (gatekeeper && input.kind === 'raw') {
      return unsupported('internal server error: Gatekeeper does not support raw validation requests');
    }
    try {
      const documents = this.#documents(input);
      return { kind: 'response', bytes: await this.#evaluate(documents) };
    } catch (error) {
      return evaluationFailed(regoFailureFrom(error));
    }
  }

  end(): void {
    if (this.#lease === undefined) return;
    this.#instances.giveBack(this.#lease, this.#clean);
    this.#lease = undefined;
  }

  async #evaluate(documents: RegoDocuments): Promise<Uint8Array> {
    const lease = await this.#suited(documents);
    this.#clean = false;
    const result = lease.instance.evaluate(documents);
    this.#clean = true;
    return result;
  }

  /** The instance, or one in its place that has read the data already or has more room. */
  async #suited({ data, input }: RegoDocuments): Promise<Lease<RegoInstance>> {
    const { host, dataImages } = this.#options;
    const instances = this.#lease?.image && dataImages.instancesWith(data);
    if (instances !== undefined) {
      this.end();
      this.#instances = instances;
      this.#lease = await instances.take(host, data);
    }
    if (this.#lease === undefined) throw new TypeError('the evaluation has ended');
    const length = lengthOf(input) + (instances === undefined ? lengthOf(data) : 0);
    if (length > MAX_USUAL_BYTES) this.#lease = this.#instances.widen(this.#lease, host);
    return this.#lease;
  }

  #documents(input: GuestInput): RegoDocuments {
    const { gatekeeper, host } = this.#options;
    return gatekeeper ? gatekeeperDocuments(input) : opaDocuments(input, (message) => host.log('warn', message));
  }
}
