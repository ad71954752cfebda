import { messageOf } from '@portcullis/protocol';
import type { GuestAnswer, GuestFailure } from '../runtime.ts';

/** Why an evaluation of a Rego policy ended without a result. */
export class RegoFailure extends Error {
  readonly reason: GuestFailure;

  constructor(reason: GuestFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** A builtin that had no answer. The name in brackets and quotes is how operators know such lines. */
export function builtinFailure(name: string, cause: string): RegoFailure {
  return new RegoFailure('guest-error', `Builtin error [${JSON.stringify(name)}]: ${JSON.stringify(cause)}`);
}

/** `opa_abort`: the policy gave up. Its allocator does so when the engine refuses to grow the memory. */
export function abortFailure(message: string, maxPages: number): RegoFailure {
  if (message !== 'opa_malloc: failed') return new RegoFailure('guest-error', `opa_abort: ${message}`);
  return new RegoFailure('limit', `out of memory: the policy needs more than ${maxPages} pages of 64 KiB`);
}

/** `opa_json_parse` did not take it. */
export function unreadableDocument(): RegoFailure {
  return new RegoFailure('guest-error', 'the policy cannot read a document it is evaluated over');
}

/** Makes one kind of failure of all that comes out of an engine. */
export function regoFailureFrom(thrown: unknown): RegoFailure {
  if (thrown instanceof RegoFailure) return thrown;
  if (thrown instanceof WebAssembly.RuntimeError) {
    return new RegoFailure('trap', `wasm trap: ${thrown.message}`, { cause: thrown });
  }
  if (thrown instanceof RangeError && thrown.message.includes('call stack')) {
    return new RegoFailure('trap', 'wasm trap: call stack exhausted');
  }
  return new RegoFailure('guest-error', messageOf(thrown), { cause: thrown });
}

/** What an operator reads when the engine could not finish. */
export function evaluationFailed(failure: RegoFailure): GuestAnswer {
  const message = `internal server error: wasm engine error: error invoking opa_eval function: ${failure.message}`;
  return { kind: 'failure', reason: failure.reason, message };
}

/** What this mode does not offer. */
export function unsupported(message: string): GuestAnswer {
  return { kind: 'failure', reason: 'unsupported', message };
}
