import { availableParallelism } from 'node:os';
import {
  type AdmissionResponse,
  type ExecutionMode,
  parseCapabilityPatterns,
  type SettingsValidationResponse,
} from '@portcullis/protocol';
import { internalError, rejection } from './admission/rejection.ts';
import { fetchContextData, needsContextData } from './context-data.ts';
import { EvaluationError } from './errors.ts';
import { publish } from './events.ts';
import type {
  Evaluated,
  EvaluationInput,
  Evaluator,
  EvaluatorOptions,
  EvaluatorStats,
  HostCallHandler,
  PolicyRun,
} from './evaluator.ts';
import { DEFAULT_LIMITS, DEFAULT_LOAD_TIMEOUT_MS, firstRunLimitMs } from './limits.ts';
import { moduleKey, Modules, type PreparedModule } from './modules.ts';
import type { Work, WorkOutcome } from './pool/flight.ts';
import type { RunOptions } from './pool/flights.ts';
import { ownBytes } from './pool/messages.ts';
import { EvaluationPool } from './pool/pool.ts';
import { monotonicMs } from './pool/turns.ts';
import type { GuestInput, GuestOperation, InstanceReport } from './runtimes/runtime.ts';
import { WARM_UP_REQUEST } from './warm-up-request.ts';

/** What users read when a policy took too long; the same in every execution mode. */
const TIMEOUT_MESSAGE = 'Policy execution interrupted because it exceeded the allowed execution time';

/** For the one question a module is asked before it belongs to a policy. */
const PROTOCOL_VERSION_TIMEOUT_MS = 5000;

/** Longer than any policy takes that is fit for its purpose: a server must not wait for the others. */
const WARM_UP_TIMEOUT_MS = 2000;

const NOTHING = new Uint8Array();
const NO_SETTINGS = new TextEncoder().encode('{}');

/** The evaluator behind `createEvaluator`. */
export class Engine implements Evaluator {
  readonly #modules: Modules;
  readonly #pool: EvaluationPool;
  readonly #hostCalls: HostCallHandler;
  readonly #nowMs: () => number;
  readonly #loadTimeoutMs: number;
  /** Modules of which something has run to its end. */
  readonly #hasRun = new WeakSet<PreparedModule>();

  constructor(options: EvaluatorOptions) {
    const { workers, cores = availableParallelism(), nowMs = monotonicMs, cacheDir } = options;
    requireWhole('workers', workers, 1);
    requireWhole('cores', cores, 1);
    this.#loadTimeoutMs = options.loadTimeoutMs ?? DEFAULT_LOAD_TIMEOUT_MS;
    requireWhole('loadTimeoutMs', this.#loadTimeoutMs, 1);
    const { instances = 'reset' } = options;
    const { maxQueueLength, ...limits } = { ...DEFAULT_LIMITS, ...options.limits };
    this.#hostCalls = options.hostCalls;
    this.#nowMs = nowMs;
    this.#modules = new Modules({ limits, instances, cacheDir, nowMs });
    this.#pool = new EvaluationPool({
      concurrency: Math.min(workers, cores),
      maxQueueLength,
      limits,
      instances,
      nowMs,
    });
  }

  get stats(): EvaluatorStats {
    return { preparedModules: this.#modules.count, ...this.#pool.stats };
  }

  open(): void {
    this.#pool.open();
  }

  prepare(bytes: Uint8Array, mode: ExecutionMode, sha256?: string): Promise<PreparedModule> {
    return this.#modules.prepare(bytes, mode, sha256);
  }

  async validate(policy: PolicyRun, input: EvaluationInput, options?: RunOptions): Promise<AdmissionResponse> {
    return (await this.evaluate(policy, input, options)).response;
  }

  async evaluate(policy: PolicyRun, input: EvaluationInput, options: RunOptions = {}): Promise<Evaluated> {
    const { uid, bytes: request } = input.request;
    const guestInput = { kind: input.kind, request, settings: ownedOnce(policy.settings) };
    const work = this.#work(policy, 'validate', guestInput, uid);
    if (!needsContextData(policy)) return evaluated(uid, await this.#pool.run(work, options));
    const startedAtMs = this.#nowMs();
    const context = await fetchContextData(policy, this.#hostCalls, options.signal);
    if (context.kind === 'failed') return { response: rejection(uid, context.message, 500), initialised: true };
    if (context.kind === 'timed-out') return { response: rejection(uid, TIMEOUT_MESSAGE, 500), initialised: true };
    const spentMs = this.#nowMs() - startedAtMs;
    const { contextData } = context;
    const informed = { ...work, input: { ...guestInput, contextData }, timeoutMs: less(work.timeoutMs, spentMs) };
    return evaluated(uid, await this.#pool.run(informed, options));
  }

  async validateSettings(policy: PolicyRun): Promise<SettingsValidationResponse> {
    const input: GuestInput = { kind: 'raw', request: NOTHING, settings: ownedOnce(policy.settings) };
    const work = this.#work(policy, 'validate_settings', input, '');
    const outcome = await this.#pool.run({
      ...work,
      timeoutMs: this.#limitMs(policy.module, policy.timeoutMs ?? this.#loadTimeoutMs),
    });
    if (outcome.kind !== 'timed-out') this.#hasRun.add(policy.module);
    if (outcome.kind === 'settings-validated') return outcome.response;
    const isUnlimited = outcome.kind === 'timed-out' && policy.timeoutMs === undefined;
    const why = isUnlimited ? `: ${loadLimitText(this.#loadTimeoutMs)}` : '';
    return { valid: false, message: problemOf(outcome) + why };
  }

  async warm(policy: PolicyRun): Promise<InstanceReport> {
    const { policyId, module, timeoutMs = this.#loadTimeoutMs } = policy;
    const { sha256, mode } = module;
    const startedAtMs = this.#nowMs();
    const input: GuestInput = { kind: 'kubernetes', request: WARM_UP_REQUEST, settings: ownedOnce(policy.settings) };
    const quiet: Work = {
      ...this.#work(policy, 'validate', input, ''),
      timeoutMs: this.#limitMs(module, Math.min(timeoutMs, WARM_UP_TIMEOUT_MS), { isFirst: true }),
      hostCall: refuseHostCall,
    };
    // The second one begins where those of requests will, from the image that was made of the first.
    const instances = (await this.#pool.warm(moduleKey(module), [quiet, quiet])) ?? module.instances;
    publish('warmed', { policyId, sha256, mode, instances, durationMs: this.#nowMs() - startedAtMs });
    return instances;
  }

  async protocolVersion(module: PreparedModule): Promise<'v1'> {
    const policy: PolicyRun = {
      policyId: module.sha256,
      module,
      settings: NO_SETTINGS,
      timeoutMs: PROTOCOL_VERSION_TIMEOUT_MS,
      allowList: parseCapabilityPatterns([]),
      contextAwareResources: [],
    };
    const input: GuestInput = { kind: 'raw', request: NOTHING, settings: NO_SETTINGS };
    const outcome = await this.#pool.run(this.#work(policy, 'protocol_version', input, ''));
    if (outcome.kind === 'protocol-version') return outcome.version;
    if (outcome.kind === 'timed-out') throw new EvaluationError('timeout', TIMEOUT_MESSAGE);
    const code = outcome.kind === 'answer-invalid' ? 'answer-invalid' : 'initialisation-failed';
    throw new EvaluationError(code, problemOf(outcome));
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What a run may take that may usually take `limitMs`. */
  #limitMs(module: PreparedModule, limitMs: number, { isFirst = !this.#hasRun.has(module) } = {}): number {
    return isFirst ? firstRunLimitMs(limitMs, module.sizeBytes, this.#loadTimeoutMs) : limitMs;
  }

  #work(policy: PolicyRun, operation: GuestOperation, input: GuestInput, uid: string): Work {
    const { policyId, module, timeoutMs, allowList, contextAwareResources } = policy;
    const compiled = this.#modules.compiled(module);
    if (compiled === undefined) throw new TypeError(`policy ${policyId}: its module was prepared by another evaluator`);
    return {
      policyId,
      moduleKey: moduleKey(module),
      compiled,
      operation,
      input,
      uid,
      timeoutMs,
      hostCall: (call, limits) => this.#hostCalls(call, { policyId, allowList, contextAwareResources, ...limits }),
    };
  }
}

function evaluated(uid: string, outcome: WorkOutcome): Evaluated {
  switch (outcome.kind) {
    case 'validated':
      return { response: outcome.response, initialised: true };
    case 'timed-out':
      return { response: rejection(uid, TIMEOUT_MESSAGE, 500), initialised: outcome.begun };
    case 'not-initialised':
      return { response: rejection(uid, outcome.message, 500), initialised: false };
    case 'not-prepared':
      return { response: internalError(uid, outcome.message), initialised: false };
    case 'crashed':
    case 'answer-invalid':
    case 'settings-validated':
    case 'protocol-version':
      return { response: internalError(uid, problemOf(outcome)), initialised: true };
  }
}

/** What went wrong, for an outcome that is not the answer asked for. */
function problemOf(outcome: WorkOutcome): string {
  switch (outcome.kind) {
    case 'timed-out':
      return TIMEOUT_MESSAGE;
    case 'crashed':
      return `the policy brought its worker thread down: ${outcome.message}`;
    case 'not-initialised':
    case 'not-prepared':
    case 'answer-invalid':
      return outcome.message;
    case 'validated':
    case 'settings-validated':
    case 'protocol-version':
      return 'the policy answered a question it was not asked';
  }
}

async function refuseHostCall(): Promise<never> {
  throw new Error('host calls are refused while a policy is warmed');
}

/** Bytes whose buffer holds nothing else: posting a view posts all that is beneath it. */
function ownedOnce(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : ownBytes(bytes);
}

function loadLimitText(limitMs: number): string {
  return `without a limit of its own a policy has ${limitMs / 1000} s to start and to validate its settings`;
}

function less(timeoutMs: number | undefined, spentMs: number): number | undefined {
  return timeoutMs === undefined ? undefined : timeoutMs - spentMs;
}

function requireWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new RangeError(`${name} must be a whole number of at least ${least}, got ${value}`);
}
