import type { ExecutionMode, HostCall } from '@portcullis/protocol';

/** A function of a policy that is measured. */
export type MeasuredOperation = 'validate_settings' | 'validate';

/** What the measuring thread is started with. */
export interface ThreadSetup {
  readonly bytes: Uint8Array;
  readonly mode: ExecutionMode;
  /** A JSON object in canonical bytes. */
  readonly settings: Uint8Array;
  readonly request: { readonly kind: 'kubernetes' | 'raw'; readonly bytes: Uint8Array };
  readonly cacheDir: string | undefined;
  /** Counted up before every call: whoever watches sees that it goes on. */
  readonly calls: SharedArrayBuffer;
}

/** What came of calling a function again and again. */
export interface Timing {
  readonly iterations: number;
  readonly elapsedNs: number;
}

/** `iterations` = exactly so many calls; `durationMs` = until that time is over, at least one. */
export type Amount = { readonly iterations: number } | { readonly durationMs: number };

export type Task =
  | { readonly kind: 'call'; readonly operation: MeasuredOperation }
  | { readonly kind: 'measure'; readonly operation: MeasuredOperation; readonly amount: Amount };

export type ToThread =
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'host-answer'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'host-error'; readonly id: number; readonly message: string };

/** A policy's answer: its own bytes, or why there are none. */
export type PlainAnswer =
  | { readonly kind: 'response'; readonly bytes: Uint8Array }
  | { readonly kind: 'failure'; readonly message: string };

export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly answer: PlainAnswer }
  | { readonly kind: 'timing'; readonly timing: Timing }
  /** The policy cannot be opened, or failed while it was measured. */
  | { readonly kind: 'problem'; readonly message: string }
  /** `iteration` tells the calls of the policy apart: a recorded session starts over with each. */
  | { readonly kind: 'host-call'; readonly id: number; readonly iteration: number; readonly call: HostCall }
  | { readonly kind: 'guest-log'; readonly level: 'debug' | 'info' | 'warn'; readonly message: string };
