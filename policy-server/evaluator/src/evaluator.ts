import type {
  AdmissionResponse,
  CapabilityAllowList,
  ContextAwareResource,
  EncodedAdmissionRequest,
  EncodedRequest,
  ExecutionMode,
  HostCall,
  SettingsValidationResponse,
} from '@portcullis/protocol';
import { Engine } from './engine.ts';
import type { EvaluatorLimits } from './limits.ts';
import type { PreparedModule } from './modules.ts';
import type { RunOptions } from './pool/flights.ts';
import type { PoolStats } from './pool/stats.ts';
import type { InstanceMode, InstanceReport } from './runtimes/runtime.ts';

/**
 * Answers the host calls of guests. A rejection is told to the guest: its message is the text the guest sees.
 */
export type HostCallHandler = (call: HostCall, context: HostCallContext) => Promise<Uint8Array>;

/** On whose behalf a host call is made. */
export interface HostCallContext {
  readonly policyId: string;
  readonly allowList: CapabilityAllowList;
  readonly contextAwareResources: readonly ContextAwareResource[];
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Milliseconds until the guest is stopped: an answer that comes later is of no use. `undefined` = it may wait for ever. */
  readonly remainingMs: number | undefined;
  /** The evaluator asks for itself (context data of Rego policies): neither capability nor resource gates apply. */
  readonly internal?: true;
}

export interface EvaluatorOptions {
  /** Evaluations that may occupy a thread at once; there are never more threads at work than cores. */
  readonly workers: number;
  readonly hostCalls: HostCallHandler;
  /** @default {@link DEFAULT_LIMITS} */
  readonly limits?: Partial<EvaluatorLimits>;
  /**
   * Ends start code and settings validation of a policy without a time limit: it may take as long as it likes over a request,
   * but must not keep a server from starting. @default {@link DEFAULT_LOAD_TIMEOUT_MS}
   */
  readonly loadTimeoutMs?: number;
  /** Whether used instances may be brought back to their image. @default 'reset' */
  readonly instances?: InstanceMode;
  /** Keeps artefacts that are dear to make again, such as transpiled components. Default: nothing is kept on disk. */
  readonly cacheDir?: string;
  /** @default the cores of the machine */
  readonly cores?: number;
  /** A monotonic clock in milliseconds. @default the clock of the process */
  readonly nowMs?: () => number;
}

/** One policy as it is run: its module and what is its own. */
export interface PolicyRun {
  readonly policyId: string;
  readonly module: PreparedModule;
  /** A JSON object in canonical bytes. */
  readonly settings: Uint8Array;
  /** From the start on a thread to the answer, start code and host calls included; `undefined` = no limit. */
  readonly timeoutMs: number | undefined;
  readonly allowList: CapabilityAllowList;
  readonly contextAwareResources: readonly ContextAwareResource[];
}

/** What a policy is asked about. The bytes of the request are shared, never changed. */
export type EvaluationInput =
  | { readonly kind: 'kubernetes'; readonly request: EncodedAdmissionRequest }
  | { readonly kind: 'raw'; readonly request: EncodedRequest };

/** An answer, and whether there was an evaluator to give it: a policy that cannot start is rejected even in monitor mode. */
export interface Evaluated {
  readonly response: AdmissionResponse;
  readonly initialised: boolean;
}

export interface EvaluatorStats extends PoolStats {
  /** How often a module was compiled: once per digest and execution mode. */
  readonly preparedModules: number;
}

export interface Evaluator {
  /** Starts the threads: for those who have something else to do meanwhile. Otherwise the first evaluation starts them. */
  open(): void;
  /**
   * Compiles a module once per digest and mode; concurrent calls share one flight. Who knows the sha256 of the bytes (lower-case
   * hex) spares the evaluator the work: it must be right, everything that is kept of the module bears its name.
   *
   * @throws EvaluationError `module-invalid`, `import-unknown`, `missing-builtins`
   */
  prepare(bytes: Uint8Array, mode: ExecutionMode, sha256?: string): Promise<PreparedModule>;
  /**
   * What the policy says about a request, before any policy mode is applied. Whatever goes wrong inside the policy is an answer
   * that refuses the request.
   *
   * @throws EvaluationError `overloaded`, `aborted`, `closed`
   */
  validate(policy: PolicyRun, input: EvaluationInput, options?: RunOptions): Promise<AdmissionResponse>;
  /** As `validate`; tells also whether the policy could start. */
  evaluate(policy: PolicyRun, input: EvaluationInput, options?: RunOptions): Promise<Evaluated>;
  /** What the policy says about its settings; a policy that hangs or traps says `valid: false`. */
  validateSettings(policy: PolicyRun): Promise<SettingsValidationResponse>;
  /**
   * Makes every thread ready for a policy: the module is prepared there and has judged a small Pod, unless another of its policies
   * has seen to that. What it says is of no interest; it has no host to ask and no log to write to. Threads that take the place
   * of others are warmed alike before they are given requests. Tells how the policy's evaluations come to their image.
   *
   * @throws EvaluationError `closed`
   */
  warm(policy: PolicyRun): Promise<InstanceReport>;
  /** Asks a module for its protocol version. @throws EvaluationError `answer-invalid`, `timeout`, `initialisation-failed` */
  protocolVersion(module: PreparedModule): Promise<'v1'>;
  readonly stats: EvaluatorStats;
  /** Ends all threads. Whoever still waits is told `closed`. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates an evaluator. Threads are started by the first evaluation; nothing is read from the environment.
 *
 * @throws RangeError when `workers` is no positive whole number
 */
export function createEvaluator(options: EvaluatorOptions): Evaluator {
  return new Engine(options);
}
