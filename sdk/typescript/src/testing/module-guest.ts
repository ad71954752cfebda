import { decodeUtf8, encodeUtf8 } from '@portcullis/protocol';
import type { Dispatcher } from '../guest/dispatcher.ts';
import type { HostTransport } from '../host/transport.ts';
import { Instance, Module } from '../web-assembly.ts';

/** The exports of a waPC guest. */
interface GuestExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly __guest_call: (operationLength: number, payloadLength: number) => number;
}

/** Answers of the host that the guest fetches in a second step: success or error, and their bytes. */
interface HostAnswer {
  readonly ok: boolean;
  readonly bytes: Uint8Array;
}

/**
 * A built policy behind the same face as the policy itself: every call gets a new instance, as a policy server does it.
 * What the module reports as its error is thrown.
 */
export function createModuleGuest(bytes: Uint8Array, transport: HostTransport): Dispatcher {
  const module = new Module(bytes);
  return (operation, payload) => new ModuleCall(encodeUtf8(operation), encodeUtf8(payload), transport).run(module);
}

/** One waPC call, from the request to the response or error. */
class ModuleCall {
  readonly #operation: Uint8Array;
  readonly #payload: Uint8Array;
  readonly #transport: HostTransport;
  #exports: GuestExports | undefined;
  #hostAnswer: HostAnswer = { ok: true, bytes: new Uint8Array() };
  #response = '';
  #error = '';

  constructor(operation: Uint8Array, payload: Uint8Array, transport: HostTransport) {
    this.#operation = operation;
    this.#payload = payload;
    this.#transport = transport;
  }

  run(module: object): string {
    const instance = new Instance(module, { wapc: this.#imports() });
    const guest = instance.exports as GuestExports;
    this.#exports = guest;
    if (guest.__guest_call(this.#operation.length, this.#payload.length) === 0) throw new Error(this.#error);
    return this.#response;
  }

  #imports(): object {
    return {
      __guest_request: (operation: number, payload: number) => {
        this.#write(operation, this.#operation);
        this.#write(payload, this.#payload);
      },
      __guest_response: (address: number, length: number) => void (this.#response = this.#text(address, length)),
      __guest_error: (address: number, length: number) => void (this.#error = this.#text(address, length)),
      __host_call: (...ranges: number[]) => this.#callHost(ranges),
      __host_response_len: () => this.#hostAnswer.bytes.length,
      __host_response: (address: number) => this.#write(address, this.#hostAnswer.bytes),
      __host_error_len: () => this.#hostAnswer.bytes.length,
      __host_error: (address: number) => this.#write(address, this.#hostAnswer.bytes),
    };
  }

  /** waPC: binding, namespace, operation and payload, each as address and length. */
  #callHost(ranges: readonly number[]): number {
    const [binding = '', namespace = '', operation = '', payload = ''] = [0, 2, 4, 6].map((index) =>
      this.#text(ranges[index] ?? 0, ranges[index + 1] ?? 0),
    );
    try {
      this.#hostAnswer = { ok: true, bytes: encodeUtf8(this.#transport(binding, namespace, operation, payload)) };
    } catch (error) {
      this.#hostAnswer = { ok: false, bytes: encodeUtf8(error instanceof Error ? error.message : String(error)) };
    }
    return this.#hostAnswer.ok ? 1 : 0;
  }

  /** The memory's buffer is asked for each time: it changes when the guest grows its memory. */
  #memory(): Uint8Array {
    if (!this.#exports) throw new Error('the module calls its host before it is called');
    return new Uint8Array(this.#exports.memory.buffer);
  }

  #text(address: number, length: number): string {
    return decodeUtf8(this.#memory().slice(address, address + length));
  }

  #write(address: number, bytes: Uint8Array): void {
    this.#memory().set(bytes, address);
  }
}
