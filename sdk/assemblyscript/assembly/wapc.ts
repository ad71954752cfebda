// The waPC protocol, and nothing else: a policy's only imports are these functions.

@external("wapc", "__guest_request")
declare function __guest_request(operation: usize, payload: usize): void;
@external("wapc", "__guest_response")
declare function __guest_response(pointer: usize, size: usize): void;
@external("wapc", "__guest_error")
declare function __guest_error(pointer: usize, size: usize): void;
@external("wapc", "__console_log")
declare function __console_log(pointer: usize, size: usize): void;

/** What the host calls the guest for. */
export class GuestCall {
  constructor(
    readonly operation: string,
    readonly payload: string,
  ) {}
}

/** Fetches operation and payload, whose sizes the host has announced. */
export function receiveCall(operationSize: i32, payloadSize: i32): GuestCall {
  const operation = new ArrayBuffer(operationSize);
  const payload = new ArrayBuffer(payloadSize);
  __guest_request(changetype<usize>(operation), changetype<usize>(payload));
  return new GuestCall(String.UTF8.decode(operation), String.UTF8.decode(payload));
}

/** Hands over the response; the result is what `__guest_call` returns for success. */
export function respond(response: string): i32 {
  const bytes = String.UTF8.encode(response);
  __guest_response(changetype<usize>(bytes), bytes.byteLength);
  return 1;
}

/** Hands over an error; the result is what `__guest_call` returns for failure. */
export function fail(message: string): i32 {
  const bytes = String.UTF8.encode(message);
  __guest_error(changetype<usize>(bytes), bytes.byteLength);
  return 0;
}

/** A line for the log of the host. */
export function consoleLog(message: string): void {
  const bytes = String.UTF8.encode(message);
  __console_log(changetype<usize>(bytes), bytes.byteLength);
}

/**
 * What `throw` and failed assertions become: AssemblyScript has no exceptions. The message reaches the host as the guest's
 * error and as a line in its log, then the guest traps.
 */
export function wapcAbort(message: string | null, fileName: string | null, line: u32, column: u32): void {
  const text = message === null ? "abort" : message;
  const file = fileName === null ? "" : fileName;
  const place = `${text} (${file}:${line}:${column})`;
  fail(place);
  consoleLog(place);
  unreachable();
}
