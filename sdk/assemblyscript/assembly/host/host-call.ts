@external("wapc", "__host_call")
declare function __host_call(
  bindingPointer: usize,
  bindingSize: usize,
  namespacePointer: usize,
  namespaceSize: usize,
  operationPointer: usize,
  operationSize: usize,
  payloadPointer: usize,
  payloadSize: usize,
): i32;
@external("wapc", "__host_response_len")
declare function __host_response_len(): i32;
@external("wapc", "__host_response")
declare function __host_response(pointer: usize): void;
@external("wapc", "__host_error_len")
declare function __host_error_len(): i32;
@external("wapc", "__host_error")
declare function __host_error(pointer: usize): void;

/** What the host answered: `payload` if `ok`, else `error`. */
export class HostAnswer {
  constructor(
    readonly ok: bool,
    /** JSON, or empty. */
    readonly payload: string,
    /** The host's own words. */
    readonly error: string,
  ) {}

  /** The payload, for policies that cannot go on without it: an error ends the evaluation with the host's words. */
  unwrap(): string {
    if (!this.ok) throw new Error(this.error);
    return this.payload;
  }
}

/** Calls any operation of the host, also one this SDK has no function for. */
export function hostCall(namespace: string, operation: string, payload: string, binding: string = "kubewarden"): HostAnswer {
  const to = String.UTF8.encode(binding);
  const ns = String.UTF8.encode(namespace);
  const op = String.UTF8.encode(operation);
  const body = String.UTF8.encode(payload);
  const ok = __host_call(
    changetype<usize>(to),
    to.byteLength,
    changetype<usize>(ns),
    ns.byteLength,
    changetype<usize>(op),
    op.byteLength,
    changetype<usize>(body),
    body.byteLength,
  );
  // waPC: __host_call returns 1 on success, 0 on failure.
  const answer = new ArrayBuffer(ok ? __host_response_len() : __host_error_len());
  if (ok) __host_response(changetype<usize>(answer));
  else __host_error(changetype<usize>(answer));
  const text = String.UTF8.decode(answer);
  return ok ? new HostAnswer(true, text, "") : new HostAnswer(false, "", text);
}
