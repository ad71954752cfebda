import type { Denial, PolicyLog } from '@portcullis/capabilities';
import { onEvaluatorEvent } from '@portcullis/evaluator';
import { bounded } from './bounded.ts';
import { logFor, type Log } from './log.ts';

/** Longest text one policy may put into one log line: a policy must not be able to fill the disk faster than others. */
const MAX_TEXT_LENGTH = 8192;
const TARGET = 'policy_log';

/** Takes what policies say through the tracing capability. */
export function createPolicyLog(log: Log): PolicyLog {
  return ({ policyId, level, message, data }) => {
    const fields = { policy_id: policyId, data: data === undefined ? undefined : bounded(data, MAX_TEXT_LENGTH) };
    log.write({ level, target: TARGET, message: bounded(message, MAX_TEXT_LENGTH), fields });
  };
}

/** Reports a policy that reached for something it was not granted. */
export function createDenialLog(log: Log): (denial: Denial) => void {
  const capabilities = logFor(log, 'policy_server::capabilities');
  return ({ policyId, capability, resource, allowed }) => {
    const message =
      resource === undefined
        ? "Policy tried to use a host capability it doesn't have access to"
        : "Policy tried to access a Kubernetes resource it doesn't have access to";
    capabilities.error(message, {
      policy: policyId,
      capability,
      resource: resource && `${resource.apiVersion}/${resource.kind}`,
      allowed_capabilities: JSON.stringify(allowed),
    });
  };
}

/** Logs what guests print (consoles, stderr) and what happens to threads, until disposed. */
export function logEvaluatorEvents(log: Log): Disposable {
  const evaluator = logFor(log, 'policy_server::evaluator');
  const subscriptions = [
    onEvaluatorEvent('guest-logged', ({ policyId, uid, level, message }) => {
      log.write({
        level,
        target: TARGET,
        message: bounded(message, MAX_TEXT_LENGTH),
        fields: { policy_id: policyId, request_uid: uid },
      });
    }),
    onEvaluatorEvent('timed-out', ({ policyId, operation }) => {
      evaluator.warn('policy exceeded its execution time', { policy_id: policyId, operation });
    }),
    onEvaluatorEvent('confined', ({ policyId }) => {
      evaluator.warn('policy has one thread at most until it keeps to its execution time', { policy_id: policyId });
    }),
    onEvaluatorEvent('released', ({ policyId }) => {
      evaluator.info('policy keeps to its execution time again', { policy_id: policyId });
    }),
    onEvaluatorEvent('stopped', ({ policyId, operation, reason, tookMs }) => {
      evaluator.debug('policy stopped', { policy_id: policyId, operation, reason, took_ms: Math.round(tookMs) });
    }),
    onEvaluatorEvent('preempted', ({ policyId, operation, ranMs }) => {
      const fields = { policy_id: policyId, operation, ran_ms: Math.round(ranMs) };
      evaluator.debug('policy gives way to others and starts over later', fields);
    }),
    onEvaluatorEvent('warmed', ({ policyId, instances, durationMs }) => {
      evaluator.debug('policy warmed', { policy_id: policyId, took_ms: Math.round(durationMs) });
      if (instances.kind === 'reset') return;
      evaluator.info('policy gets a new instance for every evaluation', {
        policy_id: policyId,
        reason: instances.reason,
      });
    }),
    onEvaluatorEvent('thread-replaced', ({ policyId, reason, runAgain }) => {
      evaluator.warn('worker thread replaced', { policy_id: policyId, reason, run_again: runAgain });
    }),
  ];
  return { [Symbol.dispose]: () => subscriptions.forEach((subscription) => subscription[Symbol.dispose]()) };
}
