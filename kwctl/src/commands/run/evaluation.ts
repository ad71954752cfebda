import type { LoadedModule } from '@portcullis/artifact';
import { formatModuleLocation } from '@portcullis/artifact';
import {
  applyPolicyMode,
  EvaluationEnvironment,
  EvaluationError,
  type Evaluator,
  type PolicyRun,
} from '@portcullis/evaluator';
import {
  encodeJson,
  stringifyAdmissionResponse,
  type AdmissionResponse,
  type CapabilityAllowList,
  type ContextAwareResource,
  type JsonValue,
} from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import type { Log } from '../../output/log.ts';
import { evaluationInput } from './admission-input.ts';
import { resolveExecutionMode } from './execution-mode.ts';
import {
  modulesOf,
  type LoadedModules,
  type Plan,
  type PlannedGroup,
  type PlannedModule,
  type PlannedPolicy,
} from './planned-policy.ts';

export interface EvaluationOptions {
  readonly evaluator: Evaluator;
  readonly modules: LoadedModules;
  readonly request: JsonValue;
  readonly requestPath: string;
  readonly isRaw: boolean;
  readonly allowList: CapabilityAllowList;
  /** Whether policies of the command line are granted what their metadata asks for. */
  readonly allowContextAware: boolean;
  readonly timeoutMs: number | undefined;
  readonly log: Log;
}

/**
 * Validates the settings of one policy or group, asks it about the request and applies its configuration.
 *
 * @throws KwctlError when it cannot be asked; whatever goes wrong while it answers is an answer
 */
export async function evaluatePlan(plan: Plan, options: EvaluationOptions): Promise<AdmissionResponse> {
  return plan.kind === 'policy' ? evaluatePolicy(plan, options) : evaluateGroup(plan, options);
}

/** What a module of a plan may read from Kubernetes. */
export function grantedResources(
  planned: PlannedModule,
  loaded: LoadedModule,
  allowContextAware: boolean,
): readonly ContextAwareResource[] {
  if (planned.contextAwareResources !== 'from-metadata') return planned.contextAwareResources;
  return allowContextAware ? (loaded.metadata?.contextAwareResources ?? []) : [];
}

async function evaluatePolicy(plan: PlannedPolicy, options: EvaluationOptions): Promise<AdmissionResponse> {
  const input = evaluationInput(options.request, isRawPlan(plan, options), options.requestPath);
  const run = await policyRun(plan.id, plan.module, { ...options, executionMode: plan.executionMode });
  const { valid, message = '' } = await options.evaluator.validateSettings(run);
  if (!valid) throw settingsInvalid(message);
  const { response, initialised } = await options.evaluator.evaluate(run, input);
  if (plan.mode === 'monitor') logMonitored(plan.id, response, options.log);
  return initialised ? applyPolicyMode(response, plan) : response;
}

async function evaluateGroup(plan: PlannedGroup, options: EvaluationOptions): Promise<AdmissionResponse> {
  const input = evaluationInput(options.request, isRawPlan(plan, options), options.requestPath);
  const members = new Map<string, PolicyRun>();
  for (const [name, module] of plan.members) {
    members.set(name, await policyRun(`${plan.id}/${name}`, module, options));
  }
  const environment = new EvaluationEnvironment(options.evaluator);
  try {
    await environment.register({ ...plan, members });
  } catch (error) {
    throw await groupProblem(plan, members, { error, evaluator: options.evaluator });
  }
  const { response, vanilla } = await environment.evaluate(plan.id, 'validate', input);
  if (plan.mode === 'monitor') logMonitored(plan.id, { ...response, allowed: vanilla.accepted }, options.log);
  return response;
}

/** Says what is wrong with a group the way it has always been said: members by their full name, joined by commas. */
async function groupProblem(
  plan: PlannedGroup,
  members: ReadonlyMap<string, PolicyRun>,
  { error, evaluator }: { error: unknown; evaluator: Evaluator },
): Promise<unknown> {
  if (!(error instanceof EvaluationError)) return error;
  if (error.code === 'expression-invalid') {
    const detail = error.cause instanceof Error ? error.cause.message : error.message;
    return settingsInvalid(`${plan.id}: ${detail}`);
  }
  if (error.code !== 'settings-invalid') return new KwctlError('evaluation-failed', `${plan.id}: ${error.message}`);
  const problems: string[] = [];
  for (const [name, run] of members) {
    const { valid, message = '' } = await evaluator.validateSettings(run);
    if (!valid) problems.push(`${plan.id}/${name}: settings not valid: Policy settings are invalid: ${message}`);
  }
  return settingsInvalid(problems.length === 0 ? error.message : problems.join(', '));
}

function settingsInvalid(message: string): KwctlError {
  return new KwctlError('settings-invalid', `Provided settings are not valid: ${message}`);
}

async function policyRun(
  policyId: string,
  planned: PlannedModule,
  options: EvaluationOptions & { executionMode?: string | undefined },
): Promise<PolicyRun> {
  const loaded = loadedModule(planned, options.modules);
  const mode = resolveExecutionMode(loaded, options.executionMode);
  try {
    return {
      policyId,
      module: await options.evaluator.prepare(loaded.bytes, mode, loaded.sha256),
      settings: encodeJson(planned.settings),
      timeoutMs: planned.timeoutMs ?? options.timeoutMs,
      allowList: options.allowList,
      contextAwareResources: grantedResources(planned, loaded, options.allowContextAware),
    };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    throw new KwctlError('evaluation-failed', `cannot run ${loaded.location} as ${mode}: ${error.message}`, {
      cause: error,
    });
  }
}

export function loadedModule(planned: PlannedModule, modules: LoadedModules): LoadedModule {
  const name = formatModuleLocation(planned.location);
  const loaded = modules.get(name);
  if (loaded === undefined) throw new TypeError(`${name} was not loaded`);
  return loaded;
}

/** A request is raw when the user says so or every module asked is a raw policy. */
export function isRawPlan(plan: Plan, options: Pick<EvaluationOptions, 'isRaw' | 'modules'>): boolean {
  if (options.isRaw) return true;
  return modulesOf(plan).every(([, module]) => loadedModule(module, options.modules).metadata?.policyType === 'raw');
}

function logMonitored(policyId: string, response: AdmissionResponse, log: Log): void {
  log({
    level: 'info',
    target: 'kwctl::run',
    message: 'policy evaluation (monitor mode)',
    fields: { policy_id: JSON.stringify(policyId), response: stringifyAdmissionResponse(response) },
  });
}
