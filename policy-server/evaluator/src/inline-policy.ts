import { createHash, randomFillSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionMode, HostCall } from '@portcullis/protocol';
import { DEFAULT_LIMITS } from './limits.ts';
import { runtimeFor } from './runtimes/registry.ts';
import type {
  GuestAnswer,
  GuestHost,
  GuestInput,
  GuestLimits,
  GuestOperation,
  InstanceMode,
  InstanceReport,
} from './runtimes/runtime.ts';

export interface InlinePolicyOptions {
  readonly mode: ExecutionMode;
  /** A JSON object in canonical bytes. */
  readonly settings: Uint8Array;
  /** @default 'reset' */
  readonly instances?: InstanceMode;
  /** @default {@link DEFAULT_LIMITS} */
  readonly limits?: Partial<GuestLimits>;
  /** Answers the policy's host calls. Default: they are refused. */
  readonly hostCall?: (call: HostCall) => Promise<Uint8Array>;
  /** Where console output of the policy goes. Default: nowhere. */
  readonly log?: GuestHost['log'];
  /** Keeps artefacts that are dear to make again. Default: nothing is kept on disk. */
  readonly cacheDir?: string;
}

/** A policy on the calling thread; see {@link openInlinePolicy}. */
export interface InlinePolicy {
  /** How its evaluations come to their image. */
  readonly instances: InstanceReport;
  /** One evaluation, from a clean slate to the guest's own bytes. */
  validate(kind: GuestInput['kind'], request: Uint8Array): Promise<GuestAnswer>;
  validateSettings(): Promise<GuestAnswer>;
}

const NOTHING = new Uint8Array();

/**
 * Prepares one policy on the calling thread: the same link step, runtime and clean slate per evaluation as in
 * `createEvaluator`, but no pool, no queue and **no deadline**, since nobody is left who could end a guest that loops. It is
 * for measuring what an evaluation itself costs; whoever serves requests wants `createEvaluator`.
 *
 * @throws EvaluationError `module-invalid`, `import-unknown`, `missing-builtins`
 */
export async function openInlinePolicy(bytes: Uint8Array, options: InlinePolicyOptions): Promise<InlinePolicy> {
  const { mode, settings, instances = 'reset', cacheDir } = options;
  const { maxQueueLength: _, ...limits } = { ...DEFAULT_LIMITS, ...options.limits };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const runtime = await runtimeFor(mode);
  const compiled = await runtime.compile(bytes, { mode, sha256, limits, instances, cacheDir });
  const control = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const prepared = await runtime.prepare(compiled, { limits, control, instances });
  const host = inlineHost(options);

  async function run(operation: GuestOperation, input: GuestInput): Promise<GuestAnswer> {
    const evaluation = await prepared.begin(operation, host);
    try {
      return await evaluation.call(input);
    } finally {
      evaluation.end();
    }
  }

  return {
    get instances() {
      return prepared.instances;
    },
    validate: (kind, request) => run('validate', { kind, request, settings }),
    validateSettings: () => run('validate_settings', { kind: 'raw', request: NOTHING, settings }),
  };
}

function inlineHost({ hostCall = refuse, log = () => {} }: InlinePolicyOptions): GuestHost {
  return {
    hostCall,
    log,
    nowNs: () => BigInt(Date.now()) * 1_000_000n,
    monotonicNs: () => process.hrtime.bigint(),
    randomFill: (bytes) => void randomFillSync(bytes),
    sleep: (ms) => sleep(ms),
  };
}

async function refuse(): Promise<never> {
  throw new Error('host calls are refused: nobody here answers them');
}
