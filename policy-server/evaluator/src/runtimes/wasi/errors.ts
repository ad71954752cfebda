import type { GuestAnswer, GuestFailure, GuestOperation } from '../runtime.ts';

export const NO_START = 'WASI start function (_start) not exported by wasm module.';
export const NO_MEMORY = 'Guest memory (memory) not exported by wasm module.';

/** WASI policies explain themselves on standard error: that text, maybe empty, is the whole message. */
export function programFailure(reason: GuestFailure, stderr: string): GuestAnswer {
  return { kind: 'failure', reason, message: stderr };
}

/** A limit of this server was broken: the program did not fail, it was stopped. */
export function limitFailure(operation: GuestOperation, text: string): GuestAnswer {
  return {
    kind: 'failure',
    reason: 'limit',
    message: operation === 'validate' ? `internal server error: ${text}` : text,
  };
}

export const PROTOCOL_VERSION_UNSUPPORTED: GuestAnswer = {
  kind: 'failure',
  reason: 'unsupported',
  message: 'policies of execution mode wasi do not tell a protocol version',
};
