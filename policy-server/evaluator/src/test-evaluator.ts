import { setTimeout as sleep } from 'node:timers/promises';
import { decodeUtf8, encodedRawRequest, encodeUtf8, parseCapabilityPatterns } from '@portcullis/protocol';
import { obedientPolicy, type StartCode } from './fixtures/obedient-policy.ts';
import {
  onEvaluatorEvent,
  createEvaluator,
  type Evaluator,
  type EvaluatorEvents,
  type EvaluatorOptions,
  type HostCallHandler,
  type PolicyRun,
  type PreparedModule,
} from './index.ts';

export const TIMEOUT = 'Policy execution interrupted because it exceeded the allowed execution time';

/** Answers with the id the guest was asked about, after a while: `{"request":"h:17:40"…}` → `17`, 40 ms later. */
const echoId: HostCallHandler = async ({ payload }, { signal }) => {
  const [, id = '', ms = '0'] = decodeUtf8(payload).split('"')[3]?.split(':') ?? [];
  await sleep(Number(ms), undefined, { signal });
  return encodeUtf8(id);
};

export function start(options: Partial<EvaluatorOptions> = {}): Evaluator {
  return createEvaluator({ workers: 2, cores: 2, hostCalls: echoId, ...options });
}

export async function obedient(evaluator: Evaluator, code: StartCode = 'none'): Promise<PreparedModule> {
  return evaluator.prepare(await obedientPolicy(code), 'kubewarden-wapc');
}

export function policyOf(module: PreparedModule, more: Partial<PolicyRun> = {}): PolicyRun {
  return {
    policyId: 'obedient',
    module,
    settings: encodeUtf8('{}'),
    timeoutMs: 5000,
    allowList: parseCapabilityPatterns(['*']),
    contextAwareResources: [],
    ...more,
  };
}

/** The message of the policy's answer to a raw request. */
export async function ask(
  evaluator: Evaluator,
  policy: PolicyRun,
  request: string,
  options = {},
): Promise<string | undefined> {
  const response = await evaluator.validate(policy, { kind: 'raw', request: encodedRawRequest(request) }, options);
  return response.status?.message ?? (response.allowed ? 'accepted' : undefined);
}

export function listen<Name extends keyof EvaluatorEvents>(
  name: Name,
): { events: EvaluatorEvents[Name][]; stop: () => void } {
  const events: EvaluatorEvents[Name][] = [];
  const subscription = onEvaluatorEvent(name, (event) => void events.push(event));
  return { events, stop: () => subscription[Symbol.dispose]() };
}
