import { CapabilityPatternError, parseCapabilityPatterns, type CapabilityAllowList } from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import type { Log } from '../../output/log.ts';
import { grantedResources, loadedModule } from './evaluation.ts';
import type { RunOptions } from './options.ts';
import { modulesOf, type LoadedModules, type Plan } from './planned-policy.ts';

/** @throws KwctlError `capabilities-invalid` */
export function hostCapabilities(patterns: readonly string[]): CapabilityAllowList {
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
export function checkContextAccess(
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
    log({ level: 'warn', target: 'kwctl::run', message });
  }
}
