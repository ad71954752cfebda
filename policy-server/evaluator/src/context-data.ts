import {
  messageOf,
  type ContextAwareResource,
  encodeJson,
  type HostCall,
  jsonFrom,
  parseJson,
} from '@portcullis/protocol';
import { abortedError, EvaluationError } from './errors.ts';
import type { HostCallHandler, PolicyRun } from './evaluator.ts';
import type { ResourceList } from './runtimes/runtime.ts';

/** What a Rego policy finds under `data.kubernetes` or `data.inventory`, or why there is none. */
export type ContextData =
  | { readonly kind: 'ready'; readonly contextData: Uint8Array }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'timed-out' };

/** Whether a policy is handed Kubernetes objects with its request. Policies of other modes than Rego's ask for themselves. */
export function needsContextData({ module: { mode }, contextAwareResources }: PolicyRun): boolean {
  return (mode === 'opa' || mode === 'gatekeeper') && contextAwareResources.length > 0;
}

/**
 * Collects the Kubernetes objects a Rego policy was granted: Rego cannot ask in the middle of an evaluation, so all of them are
 * handed over with the request. The calls are the evaluator's own and pass no capability gate; they count against the policy's
 * time.
 *
 * @throws EvaluationError `aborted`
 */
export async function fetchContextData(
  policy: PolicyRun,
  hostCalls: HostCallHandler,
  callerSignal: AbortSignal | undefined,
): Promise<ContextData> {
  if (callerSignal?.aborted === true) throw abortedError();
  const over = Promise.withResolvers<'aborted' | 'timed-out'>();
  const cut = new AbortController();
  const onAbort = (): void => over.resolve('aborted');
  callerSignal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    policy.timeoutMs === undefined ? undefined : setTimeout(() => over.resolve('timed-out'), policy.timeoutMs);
  try {
    const inventory = await Promise.race([buildInventory(policy, hostCalls, cut.signal), over.promise]);
    if (inventory === 'aborted') throw abortedError();
    return inventory === 'timed-out' ? { kind: 'timed-out' } : { kind: 'ready', contextData: inventory };
  } catch (error) {
    if (error instanceof EvaluationError) throw error;
    const problem = messageOf(error);
    return { kind: 'failed', message: `cannot perform a request via callback channel: ${problem}` };
  } finally {
    cut.abort();
    clearTimeout(timer);
    callerSignal?.removeEventListener('abort', onAbort);
  }
}

async function buildInventory(policy: PolicyRun, hostCalls: HostCallHandler, signal: AbortSignal): Promise<Uint8Array> {
  const { policyId, allowList, contextAwareResources, module } = policy;
  const ask = async (operation: string, resource: ContextAwareResource): Promise<Uint8Array> => {
    const payload = encodeJson(jsonFrom({ api_version: resource.apiVersion, kind: resource.kind }));
    const call: HostCall = { binding: 'kubewarden', namespace: 'kubernetes', operation, payload };
    return hostCalls(call, {
      policyId,
      allowList,
      contextAwareResources,
      signal,
      remainingMs: policy.timeoutMs,
      internal: true,
    });
  };
  const lists = await Promise.all(
    contextAwareResources.map(async (resource): Promise<ResourceList> => {
      // OPA policies know kinds by the name they have in URLs, Gatekeeper's by the kind itself.
      const plural = module.mode === 'opa' ? pluralFrom(await ask('get_resource_plural_name', resource)) : undefined;
      return { ...resource, plural, list: await ask('list_resources_all', resource) };
    }),
  );
  const { gatekeeperInventory, opaInventory } = await import('./runtimes/rego/inventory.ts');
  return module.mode === 'opa' ? opaInventory(lists) : gatekeeperInventory(lists);
}

function pluralFrom(answer: Uint8Array): string {
  const plural = parseJson(answer);
  if (typeof plural !== 'string') throw new Error('the plural name of a resource must be a JSON string');
  return plural;
}
