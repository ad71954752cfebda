import { messageOf } from '@portcullis/protocol';
import { ABANDONMENT } from '../abandonment.ts';
import type { HostCall } from '@portcullis/protocol';
import type { Guest } from './guest.ts';
import { GuestStop } from './stop.ts';

/** The eight parameters every flavour of host call has: binding, namespace, operation and payload, each a pointer and a length. */
export type HostCallParameters = readonly [number, number, number, number, number, number, number, number];

/** What the guest is told: the payload of the answer, or the text of the refusal. */
export interface HostCallAnswer {
  readonly ok: boolean;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();

/** The host calls of one evaluation, counted and measured against its limits. */
export class HostCalls {
  readonly #guest: Guest;
  #made = 0;

  constructor(guest: Guest) {
    this.#guest = guest;
    guest.onReset(() => {
      this.#made = 0;
    });
  }

  /** Reads the request at once, so that an address out of range traps before anything is asked. */
  run(parameters: HostCallParameters): Promise<HostCallAnswer> {
    return this.#ask(this.#read(parameters));
  }

  #read(parameters: HostCallParameters): HostCall {
    const [bindingAt, bindingSize, namespaceAt, namespaceSize, operationAt, operationSize, payloadAt, payloadSize] =
      parameters;
    const { memory, limits } = this.#guest;
    const size = (bindingSize >>> 0) + (namespaceSize >>> 0) + (operationSize >>> 0) + (payloadSize >>> 0);
    if (size > limits.maxHostCallBytes) {
      throw new GuestStop(
        'limit',
        `a host call of ${size} bytes exceeds the limit of ${limits.maxHostCallBytes} bytes`,
      );
    }
    this.#made += 1;
    if (this.#made > limits.maxHostCalls) {
      throw new GuestStop('limit', `the policy made more than ${limits.maxHostCalls} host calls in one evaluation`);
    }
    return {
      binding: memory.text(bindingAt, bindingSize),
      namespace: memory.text(namespaceAt, namespaceSize),
      operation: memory.text(operationAt, operationSize),
      payload: memory.copy(payloadAt, payloadSize),
    };
  }

  async #ask(call: HostCall): Promise<HostCallAnswer> {
    const answer = await this.#answer(call);
    const { maxHostCallBytes } = this.#guest.limits;
    if (answer.bytes.length > maxHostCallBytes) {
      const what = `${call.namespace}/${call.operation}`;
      const size = answer.bytes.length;
      throw new GuestStop(
        'limit',
        `the answer of ${what}, ${size} bytes, exceeds the limit of ${maxHostCallBytes} bytes`,
      );
    }
    return answer;
  }

  async #answer(call: HostCall): Promise<HostCallAnswer> {
    try {
      return { ok: true, bytes: await this.#guest.host.hostCall(call) };
    } catch (error) {
      if (error === ABANDONMENT) throw error;
      this.#guest.spoil();
      return { ok: false, bytes: encoder.encode(messageOf(error)) };
    }
  }
}
