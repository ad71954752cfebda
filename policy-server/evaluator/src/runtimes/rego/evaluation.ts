import type { Lease } from '../guest/imaged-instances.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import { gatekeeperDocuments, lengthOf, opaDocuments, type RegoDocuments } from './documents.ts';
import { evaluationFailed, regoFailureFrom, unsupported } from './errors.ts';
import type { RegoInstance } from './instance.ts';
import type { RegoModule } from './module.ts';

const VALID = new TextEncoder().encode('{"valid":true}');

/**
 * Putting back a page of memory costs a microsecond, whether it was used or not, and evaluating a request of 3 kB some twenty. As
 * values a document takes a dozen times its text. So there are instances with room for what clusters send all the time, and
 * others for large documents. Which of them a request gets is told by its own size, never by those before it.
 */
export const ROOM_PAGES = { usual: 4, large: 24 } as const;
const MAX_USUAL_BYTES = 12 * 1024;

export interface RegoEvaluationOptions {
  /** The policy's instances by the room they have. */
  readonly modules: Readonly<Record<keyof typeof ROOM_PAGES, RegoModule>>;
  readonly gatekeeper: boolean;
  readonly operation: GuestOperation;
  readonly host: GuestHost;
}

/** One use of an instance of a Rego policy. */
export class RegoEvaluation implements Evaluation {
  readonly #options: RegoEvaluationOptions;
  #module: RegoModule;
  #lease: Lease<RegoInstance> | undefined;
  /** Whether nothing ran in the instance, or what ran came to its proper end. */
  #clean = true;

  /** @param lease - of an instance with the usual room */
  constructor(lease: Lease<RegoInstance>, options: RegoEvaluationOptions) {
    this.#options = options;
    this.#module = options.modules.usual;
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
      if (isLarge(documents)) await this.#exchange();
      return { kind: 'response', bytes: this.#evaluate(documents) };
    } catch (error) {
      return evaluationFailed(regoFailureFrom(error));
    }
  }

  end(): void {
    if (this.#lease === undefined) return;
    this.#module.giveBack(this.#lease, this.#clean);
    this.#lease = undefined;
  }

  /** Exchanges the instance for one with more room; one that is at no image will not be put back, and needs none. */
  async #exchange(): Promise<void> {
    if (this.#lease?.image === undefined) return;
    this.end();
    this.#module = this.#options.modules.large;
    this.#lease = await this.#module.take(this.#options.host);
  }

  #evaluate(documents: RegoDocuments): Uint8Array {
    if (this.#lease === undefined) throw new TypeError('the evaluation has ended');
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
