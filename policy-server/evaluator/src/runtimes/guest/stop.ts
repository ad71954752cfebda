/** Why the host ended a guest's run before the guest returned. */
export type StopReason = 'exit' | 'trap' | 'limit';

/**
 * Thrown by imports to unwind a guest. A guest may catch it (`catch_all` of the exception-handling proposal catches what imports
 * throw), so `Guest` remembers the first one and neither another import nor a return value counts after it.
 */
export class GuestStop extends Error {
  override readonly name = 'GuestStop';
  readonly reason: StopReason;
  /** Argument of `proc_exit`; 0 for the other reasons. */
  readonly exitCode: number;

  constructor(reason: StopReason, message: string, exitCode = 0) {
    super(message);
    this.reason = reason;
    this.exitCode = exitCode;
  }
}

/** A guest handed out a pointer or length that does not lie in its memory. WASI answers EFAULT, elsewhere the guest traps. */
export class PointerError extends GuestStop {
  constructor(pointer: number, length: number) {
    super('trap', `out of bounds memory access: ${length} bytes at address ${pointer}`);
  }
}
