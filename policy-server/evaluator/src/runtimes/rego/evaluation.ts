import type { Lease } from '../guest/imaged-instances.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import { gatekeeperDocuments, lengthOf, opaDocuments, type RegoDocuments } from './documents.ts';
import { evaluationFailed, regoFailureFrom, unsupported } from './errors.ts';
import type { RegoInstance } from './instance.ts';
import type { RegoModule } from './module.ts';

const VALID = new TextEncoder().encode('{"valid":true}');

/** As values a document takes a dozen times its text: beyond this the usual room will not do. */
const MAX_USUAL_BYTES = 12 * 1024;

export interface RegoEvaluationOptions {
  readonly module: RegoModule;
  readonly gatekeeper: boolean;
  readonly operation: GuestOperation;
  readonly host: GuestHost;
}

/** One use of an instance of a Rego policy. */
export class RegoEvaluation implements Evaluation {
  readonly #options: RegoEvaluationOptions;
  #lease: Lease<RegoInstance> | undefined;
  /** Whether nothing ran in the instance, or what ran came to its proper end. */
  #clean = true;

  constructor(lease: Lease<RegoInstance>, options: RegoEvaluationOptions) {
    this.#options = options;
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
      return { kind: 'response', bytes: this.#evaluate(documents) };
    } catch (error) {
      return evaluationFailed(regoFailureFrom(error));
    }
  }

  end(): void {
    if (this.#lease === undefined) return;
    this.#options.module.giveBack(this.#lease, this.#clean);
    this.#lease = undefined;
  }

  #evaluate(documents: RegoDocuments): Uint8Array {
    if (this.#lease === undefined) throw new TypeError('the evaluation has ended');
    const { module, host } = this.#options;
    if (isLarge(documents)) this.#lease = module.widen(this.#lease, host);
    this.#clean = false;
    const result = this.#lease.instance.evaluate(documents);
    this.#clean = true;
    return result;
  }

  #documents(input: GuestInput): RegoDocuments {
    const { gatekeeper, host } = this.#options;
    return gatekeeper ? gatekeeperDocuments(input) : opaDocuments(input, (message) => host.log('warn', message));
  }
}

function isLarge({ data, input }: RegoDocuments): boolean {
  return lengthOf(data) + lengthOf(input) > MAX_USUAL_BYTES;
}
