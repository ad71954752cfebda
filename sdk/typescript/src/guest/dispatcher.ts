import { createHostClient } from '../host/host-client.ts';
import { createLog } from '../host/log.ts';
import type { HostTransport } from '../host/transport.ts';
import { SettingsError } from '../errors.ts';
import type { Policy } from '../policy.ts';
import type { Verdict } from '../verdict.ts';
import { restoreNumbers } from './numbers.ts';

/** Answers one operation of the guest protocol: text in, text out; what it throws is the guest error. */
export type Dispatcher = (operation: string, payload: string) => string;

export function createDispatcher(policy: Policy, transport: HostTransport): Dispatcher {
  return (operation, payload) => {
    switch (operation) {
      case 'protocol_version':
        return '"v1"';
      case 'validate_settings':
        return validateSettings(policy, payload);
      case 'validate':
        return validate(policy, payload, transport);
      default:
        throw new Error(`unknown operation: ${operation}`);
    }
  };
}

function validateSettings(policy: Policy, payload: string): string {
  try {
    policy.parseSettings(JSON.parse(payload));
    return '{"valid":true}';
  } catch (error) {
    if (error instanceof SettingsError) return JSON.stringify({ valid: false, message: error.message });
    throw error;
  }
}

function validate(policy: Policy, payload: string, transport: HostTransport): string {
  const { request, settings } = JSON.parse(payload) as { request: unknown; settings?: unknown };
  const verdict = policy.validate(request, {
    settings: policy.parseSettings(settings),
    host: createHostClient(transport),
    log: createLog(transport),
  });
  return encodeVerdict(checkVerdict(verdict), (mutated) =>
    restoreNumbers(mutated, payload, (source) => replacedBy(policy, source as { request?: unknown })),
  );
}

/** What a mutation replaces: the object, or the whole of a raw request. */
function replacedBy({ input }: Policy, { request }: { request?: unknown }): unknown {
  return input === 'raw' ? request : (request as { object?: unknown } | undefined)?.object;
}

/** A policy written without types, or against them, may return anything. */
function checkVerdict(verdict: unknown): Verdict {
  if (typeof verdict === 'object' && verdict !== null) {
    if ('then' in verdict) {
      throw new TypeError(
        'validate returned a promise, but a policy has no event loop - answer without async and await',
      );
    }
    if ('kind' in verdict && ['accept', 'deny', 'mutate'].includes(String(verdict.kind))) return verdict as Verdict;
  }
  throw new TypeError('validate must return accept(…), deny(…) or mutate(…)');
}

function encodeVerdict(verdict: Verdict, restore: (mutated: unknown) => unknown): string {
  const common = { warnings: verdict.warnings, audit_annotations: verdict.auditAnnotations };
  switch (verdict.kind) {
    case 'accept':
      return JSON.stringify({ accepted: true, ...common });
    case 'deny':
      return JSON.stringify({ accepted: false, message: verdict.message, code: verdict.code, ...common });
    case 'mutate':
      return JSON.stringify({ accepted: true, mutated_object: restore(verdict.object), ...common });
  }
}

/** The text of a guest error: what went wrong, without the stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
}
