import { formatModuleLocation } from '@portcullis/artifact';
import { encodeJson, type ContextAwareResource, type JsonValue } from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import { evaluationInput } from '../run/admission-input.ts';
import { grantedResources, isRawPlan, loadedModule } from '../run/evaluation.ts';
import { resolveExecutionMode } from '../run/execution-mode.ts';
import type { RunOptions } from '../run/options.ts';
import { modulesOf, type LoadedModules, type Plan } from '../run/planned-policy.ts';
import type { ThreadSetup } from './messages.ts';

/** One module with its settings and the request: what is measured. A group is its members. */
export interface Subject {
  readonly policyId: string;
  readonly module: string;
  readonly setup: Omit<ThreadSetup, 'calls' | 'cacheDir'>;
  readonly timeoutMs: number | undefined;
  readonly contextAwareResources: readonly ContextAwareResource[];
}

export interface SubjectOptions extends Pick<RunOptions, 'isRaw' | 'requestPath' | 'allowContextAware' | 'timeoutMs'> {
  readonly modules: LoadedModules;
  readonly request: JsonValue;
}

/** @throws KwctlError when the request or the execution mode does not fit */
export function subjectsOf(plan: Plan, options: SubjectOptions): Subject[] {
  const { kind, request } = evaluationInput(options.request, isRawPlan(plan, options), options.requestPath);
  const flag = plan.kind === 'policy' ? plan.executionMode : undefined;
  return modulesOf(plan).map(([policyId, planned]) => {
    const loaded = loadedModule(planned, options.modules);
    const mode = resolveExecutionMode(loaded, flag);
    const contextAwareResources = grantedResources(planned, loaded, options.allowContextAware);
    if ((mode === 'opa' || mode === 'gatekeeper') && contextAwareResources.length > 0) {
      throw new KwctlError(
        'not-served',
        `${policyId} is a Rego policy with access to Kubernetes resources: bench does not hand those over – measure it without access`,
      );
    }
    return {
      policyId,
      module: formatModuleLocation(planned.location),
      setup: {
        bytes: loaded.bytes,
        mode,
        settings: encodeJson(planned.settings),
        request: { kind, bytes: request.bytes },
      },
      timeoutMs: planned.timeoutMs ?? options.timeoutMs,
      contextAwareResources,
    };
  });
}
