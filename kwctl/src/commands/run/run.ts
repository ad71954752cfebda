import { availableParallelism } from 'node:os';
import { boundBackgroundCompilation, createEvaluator } from '@portcullis/evaluator';
import {
  CapabilityPatternError,
  parseCapabilityPatterns,
  stringifyAdmissionResponse,
  type CapabilityAllowList,
} from '@portcullis/protocol';
import type { CommandArguments } from '../../command-line/command.ts';
import { cacheFolder, type CommandContext } from '../../environment.ts';
import { KwctlError } from '../../errors.ts';
import type { Log } from '../../output/log.ts';
import { evaluatePlan, grantedResources, loadedModule } from './evaluation.ts';
import { PolicyHost } from './host.ts';
import { readRequest } from './input.ts';
import { loadModules } from './modules.ts';
import { runOptions, type RunOptions } from './options.ts';
import { modulesOf, type LoadedModules, type Plan } from './planned-policy.ts';
import { planPolicies } from './plans.ts';

/** `kwctl run`: asks one policy, or each policy of a YAML file, about one request. */
export async function run(given: CommandArguments, context: CommandContext): Promise<void> {
  const { environment, log } = context;
  const options = runOptions(given);
  const plans = await planPolicies(options, context);
  const request = await readRequest(options.requestPath, environment);
  const allowList = hostCapabilities(options.hostCapabilities);
  await using host = await PolicyHost.open({
    ...options,
    log,
    openRegistries: async () => (await import('./registry-handlers.ts')).openRegistryHandlers(given, context),
  });
  const modules = await loadModules(plans, given, context);
  checkContextAccess(plans, modules, { options, log });
  if (plans.length > 1) {
    const message =
      'Multiple policies defined inside of the YAML file: all of them are run, one after the other, with the same request';
    log({ level: 'warn', target: TARGET, message });
  }
  const cacheDir = options.keepsNothingOnDisk ? undefined : cacheFolder(environment);
  await using evaluator = createEvaluator({
    workers: 1,
    // Each policy is asked a few times at most, and fresh instances are the literal truth.
    instances: 'fresh',
    hostCalls: host.hostCalls,
    ...(cacheDir !== undefined && { cacheDir }),
  });
  boundBackgroundCompilation(availableParallelism());
  // Threads start while modules are linked and compiled.
  evaluator.open();
  for (const plan of plans) {
    host.begin();
    const response = await evaluatePlan(plan, { ...options, evaluator, modules, request, allowList, log });
    await host.end();
    environment.write(`${stringifyAdmissionResponse(response)}\n`);
  }
}

const TARGET = 'kwctl::run';

function hostCapabilities(patterns: readonly string[]): CapabilityAllowList {
  try {
    return parseCapabilityPatterns(patterns);
  } catch (error) {
    if (!(error instanceof CapabilityPatternError)) throw error;
    throw new KwctlError('capabilities-invalid', `Invalid host capabilities pattern: ${error.message}`, {
      cause: error,
    });
  }
}

/** Access to a cluster is granted from a recorded session only; access that is needed and not granted is told. */
function checkContextAccess(
  plans: readonly Plan[],
  modules: LoadedModules,
  { options, log }: { options: RunOptions; log: Log },
): void {
  for (const [id, planned] of plans.flatMap(modulesOf)) {
    const loaded = loadedModule(planned, modules);
    const granted = grantedResources(planned, loaded, options.allowContextAware);
    if (granted.length > 0 && options.replayPath === undefined) {
      throw new KwctlError(
        'not-served',
        `${id} is granted access to Kubernetes resources, but this release does not connect to clusters: use --replay-host-capabilities-interactions`,
      );
    }
    const isDenied = planned.contextAwareResources === 'from-metadata' && granted.length === 0;
    if (isDenied && (loaded.metadata?.contextAwareResources.length ?? 0) > 0) warnDenied(log);
  }
}

function warnDenied(log: Log): void {
  for (const message of [
    'Policy requires access to Kubernetes resources at evaluation time. During this execution the access to Kubernetes resources is denied. This can cause the policy to not behave properly',
    'Carefully review which types of Kubernetes resources the policy needs via the `inspect` command, then run the policy using the `--allow-context-aware` flag',
  ]) {
    log({ level: 'warn', target: TARGET, message });
  }
}
