import { JsonError, type CapabilityAllowList, type ContextAwareResource, type HostCall } from '@portcullis/protocol';
import { createBackend, type CapabilityBackend, type CapabilityHandlers } from './backend.ts';
import { CapabilityError, errorChain } from './errors.ts';
import { HOST_ONLY_READERS, PAYLOAD_READERS } from './payload.ts';
import { readLogEvent, type PolicyLog } from './policy-log.ts';
import type { CapabilityRequest } from './request.ts';

/** On whose behalf a host call is made, and what it may do. */
export interface CapabilityContext {
  readonly policyId: string;
  readonly allowList: CapabilityAllowList;
  readonly contextAwareResources: readonly ContextAwareResource[];
  readonly signal: AbortSignal;
  /** Milliseconds after which an answer is of no use to the guest; absent = it may wait for ever. */
  readonly remainingMs?: number | undefined;
  /** The host asks for itself (data for Rego policies): no gate applies. */
  readonly internal?: boolean;
}

/** A host call that a policy was not allowed to make. */
export interface Denial {
  readonly policyId: string;
  /** `<namespace>/<operation>` */
  readonly capability: string;
  /** The Kubernetes resource, when it is not the capability as such that is denied. */
  readonly resource?: ContextAwareResource;
  /** What the guest is told. */
  readonly message: string;
  readonly allowed: readonly string[];
}

/** Looks at every request on its way to the backend: recording, replaying. */
export interface CapabilitySession {
  exchange(request: CapabilityRequest, ask: () => Promise<Uint8Array>): Promise<Uint8Array>;
}

export interface CapabilitiesOptions {
  readonly handlers: CapabilityHandlers;
  /** Receives what policies log. */
  readonly log: PolicyLog;
  /** @default logs the denial as an error */
  readonly onDenied?: (denial: Denial) => void;
  readonly session?: CapabilitySession;
}

/** The function evaluators hand host calls to. A rejection's message is what the guest sees. */
export type HostCalls = (call: HostCall, context: CapabilityContext) => Promise<Uint8Array>;

/**
 * Makes the host's side of host calls. Checks run in a fixed order: binding, capability gate (before the payload is
 * looked at, and for unknown operations too), namespace, operation, payload, context-aware allow-list.
 */
export function createCapabilities(options: CapabilitiesOptions): HostCalls {
  const backend = createBackend(options.handlers);
  const gate = new Gate(options.onDenied ?? logDenial(options.log));
  return async (call, context) => {
    if (call.binding !== 'kubewarden') throw new CapabilityError('binding-unknown', `unknown binding: ${call.binding}`);
    if (call.namespace === 'tracing') return trace(call, context, options.log);
    gate.checkCapability(call, context);
    const request = readRequest(call, context);
    gate.checkResource(request, call, context);
    return ask(request, context, { backend, session: options.session });
  };
}

const EMPTY = new Uint8Array();

function trace(call: HostCall, context: CapabilityContext, log: PolicyLog): Uint8Array {
  if (call.operation !== 'log') throw unknownOperation(call);
  log(readLogEvent(context.policyId, call.payload));
  return EMPTY;
}

function readRequest(call: HostCall, context: CapabilityContext): CapabilityRequest {
  const operations = PAYLOAD_READERS.get(call.namespace);
  if (operations === undefined) throw new CapabilityError('namespace-unknown', `unknown namespace: ${call.namespace}`);
  const ofHost = context.internal === true && call.namespace === 'kubernetes' ? HOST_ONLY_READERS : undefined;
  const read = operations.get(call.operation) ?? ofHost?.get(call.operation);
  if (read === undefined) throw unknownOperation(call);
  try {
    return read(call.payload);
  } catch (error) {
    if (error instanceof JsonError) throw new CapabilityError('payload-invalid', error.message, { cause: error });
    throw error;
  }
}

async function ask(
  request: CapabilityRequest,
  context: CapabilityContext,
  { backend, session }: { backend: CapabilityBackend; session: CapabilitySession | undefined },
): Promise<Uint8Array> {
  const { policyId, signal, remainingMs } = context;
  const answer = (): Promise<Uint8Array> => backend(request, { policyId, signal, remainingMs });
  try {
    return await (session === undefined ? answer() : session.exchange(request, answer));
  } catch (error) {
    // The prefix is for guests; the host asking for itself has words of its own.
    const prefix = context.internal === true ? '' : 'Callback evaluation failure: ';
    throw new CapabilityError('failed', prefix + errorChain(error), { cause: error });
  }
}

function unknownOperation(call: HostCall): CapabilityError {
  return new CapabilityError('operation-unknown', `unknown operation: ${call.operation}`);
}

/** Decides what a policy may ask for. */
class Gate {
  readonly #onDenied: (denial: Denial) => void;

  constructor(onDenied: (denial: Denial) => void) {
    this.#onDenied = onDenied;
  }

  checkCapability(call: HostCall, context: CapabilityContext): void {
    const capability = `${call.namespace}/${call.operation}`;
    if (context.internal === true || context.allowList.allows(capability)) return;
    const message = `Policy has not been granted access to the '${capability}' host capability. The violation has been reported.`;
    this.#deny({ policyId: context.policyId, capability, message, allowed: context.allowList.patterns });
  }

  checkResource(request: CapabilityRequest, call: HostCall, context: CapabilityContext): void {
    const wanted = resourceOf(request);
    if (wanted === undefined || context.internal === true) return;
    const { apiVersion, kind } = wanted;
    const allowed = context.contextAwareResources;
    if (allowed.some((resource) => resource.apiVersion === apiVersion && resource.kind === kind)) return;
    this.#deny({
      policyId: context.policyId,
      capability: `${call.namespace}/${call.operation}`,
      resource: wanted,
      message: `Policy has not been granted access to Kubernetes ${apiVersion}/${kind} resources. The violation has been reported.`,
      allowed: allowed.map((resource) => `${resource.apiVersion}/${resource.kind}`),
    });
  }

  #deny(denial: Denial): never {
    this.#onDenied(denial);
    throw new CapabilityError('denied', denial.message);
  }
}

/** The resource a request reads and the context-aware allow-list must name; `can_i` reads none. */
function resourceOf(request: CapabilityRequest): ContextAwareResource | undefined {
  if (
    request.type === 'KubernetesListResourceNamespace' ||
    request.type === 'KubernetesListResourceAll' ||
    request.type === 'KubernetesGetResource'
  ) {
    return { apiVersion: request.api_version, kind: request.kind };
  }
  return undefined;
}

function logDenial(log: PolicyLog): (denial: Denial) => void {
  return ({ policyId, message, capability, allowed }) => {
    log({
      policyId,
      level: 'error',
      message: `${message} (${capability}; allowed: ${allowed.join(', ') || 'nothing'})`,
    });
  };
}
