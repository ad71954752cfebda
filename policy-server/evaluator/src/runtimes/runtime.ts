import type { ContextAwareResource, ExecutionMode, HostCall } from '@portcullis/protocol';
import type { LinkPlan } from '../link/plan.ts';
import type { InstancePoolOptions } from './guest/instance-pool.ts';

/**
 * The one interface all runtimes implement.
 *
 * A module lives in three steps. `compile` runs once per digest, on the main thread, and yields something every worker
 * thread can be given without compiling again. `prepare` runs once per digest and thread. `begin` runs for every
 * evaluation and hands out an evaluator that stands **at its image**: start code has run, no request has been seen.
 * Whether that instance is new or was brought back to its image is the runtime's affair: nobody can tell them apart.
 */
export interface Runtime {
  readonly modes: readonly ExecutionMode[];
  /** Main thread, once per digest. Refuses what could not run: unknown imports, missing exports, missing builtins. */
  compile(bytes: Uint8Array, options: CompileOptions): Promise<CompiledPolicy>;
  /** Worker thread, once per digest and thread. */
  prepare(compiled: CompiledPolicy, thread: ThreadContext): Promise<Prepared>;
}

/** What all guests of one worker thread share. */
export interface ThreadContext {
  readonly limits: GuestLimits;
  /** One shared page; linked modules look at bit 0 of its first word and trap when it is set. */
  readonly control: WebAssembly.Memory;
  readonly instances: InstanceMode;
  /** What is kept between evaluations, for how long, and by which clock. @default `INSTANCE_POOL_DEFAULTS` */
  readonly instancePool?: Partial<InstancePoolOptions>;
}

/** `reset` = used instances are brought back to their image wherever that is proven to be the same; `fresh` = never. */
export type InstanceMode = 'fresh' | 'reset';

/** How the evaluations of a module come to their image, and why not by a reset. */
export type InstanceReport =
  | {
      readonly kind: 'reset';
      /** For people: where the image was taken, unless that is where start code ends: `at its first read of standard input`. */
      readonly image?: string;
    }
  | {
      readonly kind: 'fresh';
      /** For people: `its code writes to a table`. */
      readonly reason: string;
    };

export interface CompileOptions {
  readonly mode: ExecutionMode;
  /** sha256 of `bytes`, lower-case hex: the key of every cache. */
  readonly sha256: string;
  readonly limits: GuestLimits;
  readonly instances: InstanceMode;
  /** Folder for artefacts that are dear to make again; `undefined` = keep nothing on disk. */
  readonly cacheDir: string | undefined;
}

/** Bounds that hold for one evaluation. */
export interface GuestLimits {
  /** Linear memory of one instance, in pages of 64 KiB. */
  readonly memoryPages: number;
  /** Response, stdout and stderr of a guest, each, in bytes. */
  readonly maxOutputBytes: number;
  /** Payload of one host call and of its answer, each, in bytes. */
  readonly maxHostCallBytes: number;
  readonly maxHostCalls: number;
}

/** What `compile` makes: structured-cloneable, so that it can be posted to worker threads. */
export interface CompiledPolicy {
  readonly mode: ExecutionMode;
  readonly sha256: string;
  /** The policy itself, or the core modules of a component in the order its glue names them. */
  readonly modules: readonly WebAssembly.Module[];
  /** What was done to each of them. */
  readonly plans: readonly LinkPlan[];
  /** What the plans promise; a thread that finds out more says so in `Prepared.instances`. */
  readonly instances: InstanceReport;
  /** JavaScript glue of a component. */
  readonly glue?: string;
}

export interface Prepared {
  /** How evaluations come to their image here, as far as is known by now. */
  readonly instances: InstanceReport;
  /** A fresh evaluator at its image. Rejects with an `EvaluationError` when start code fails. */
  begin(operation: GuestOperation, host: GuestHost): Promise<Evaluation>;
}

/** One use of one evaluator: exactly one call, then `end`. */
export interface Evaluation {
  call(input: GuestInput): Promise<GuestAnswer>;
  /** Frees what the evaluation holds; an evaluator that trapped or was cut short is never used again. */
  end(): void;
}

export type GuestOperation = 'validate' | 'validate_settings' | 'protocol_version';

/** Canonical JSON bytes (compact, keys sorted); each runtime composes its guest's payload from them. */
export interface GuestInput {
  readonly kind: 'kubernetes' | 'raw';
  /** AdmissionRequest or raw request; empty for the other operations. */
  readonly request: Uint8Array;
  /** JSON object. */
  readonly settings: Uint8Array;
  /** Rego only: what the guest finds under `data.kubernetes` (OPA) or `data.inventory` (Gatekeeper), as JSON. */
  readonly contextData?: Uint8Array;
}

/**
 * What came out of the guest. `response` carries the guest's own bytes, still untrusted: a ValidationResponse, a
 * SettingsValidationResponse, a protocol version or, from Rego, the JSON array of results. `failure.message` is the text an
 * operator reads in `status.message` (or after `Policy settings are invalid: `).
 */
export type GuestAnswer =
  | { readonly kind: 'response'; readonly bytes: Uint8Array }
  | { readonly kind: 'failure'; readonly reason: GuestFailure; readonly message: string };

export type GuestFailure = 'guest-error' | 'trap' | 'exit' | 'limit' | 'unsupported';

/** What a runtime gets from the worker thread for one evaluation. */
export interface GuestHost {
  /**
   * Asks the host; the guest is suspended meanwhile. Rejects with the text the guest is to see, or with `ABANDONMENT`, which is
   * to be thrown into the guest as it is.
   */
  hostCall(call: HostCall): Promise<Uint8Array>;
  /** Console output of the guest: `__console_log`, stderr of a successful run, `opa_println`. */
  log(level: 'debug' | 'info' | 'warn', message: string): void;
  /** Wall clock in nanoseconds since the epoch. */
  nowNs(): bigint;
  /** Monotonic clock in nanoseconds. */
  monotonicNs(): bigint;
  randomFill(bytes: Uint8Array): void;
  /** A guest's own sleep; it counts against the deadline and does not occupy the thread. May reject with `ABANDONMENT`. */
  sleep(ms: number): Promise<void>;
}

/** All objects of one kind in the cluster, as the host listed them for a Rego policy. */
export interface ResourceList extends ContextAwareResource {
  /** The kind as it stands in URLs (`pods`); OPA only. */
  readonly plural: string | undefined;
  /** A Kubernetes List in JSON. */
  readonly list: Uint8Array;
}
