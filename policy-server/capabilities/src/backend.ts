import { encodeUtf8, stringifyJson, type JsonValue } from '@portcullis/protocol';
import { CapabilityError } from './errors.ts';
import type { CapabilityRequest, CapabilityRequestType, RequestOf } from './request.ts';

/** What a handler knows besides the request. */
export interface RequestContext {
  readonly policyId: string;
  /** Aborts when the evaluation is over: its deadline passed, or its caller went away. */
  readonly signal: AbortSignal;
  /** Milliseconds after which an answer is of no use to the guest; absent = it may wait for ever. */
  readonly remainingMs?: number | undefined;
}

/** Answers one kind of request. A rejection is what the guest is told; its `cause`s are listed below it. */
export type CapabilityHandler<T extends CapabilityRequestType> = (
  request: RequestOf<T>,
  context: RequestContext,
) => Promise<JsonValue>;

/** The handlers a host has. What is missing is answered in plain words. */
export type CapabilityHandlers = { readonly [T in CapabilityRequestType]?: CapabilityHandler<T> };

/** Answers every request that passed the gates: the JSON for the guest. */
export type CapabilityBackend = (request: CapabilityRequest, context: RequestContext) => Promise<Uint8Array>;

/** Turns handlers into a backend. */
export function createBackend(handlers: CapabilityHandlers): CapabilityBackend {
  return async (request, context) => {
    // A handler only ever gets the request of its own type; TypeScript cannot follow that through the lookup.
    const handler = handlers[request.type] as CapabilityHandler<CapabilityRequestType> | undefined;
    if (handler === undefined) throw notAvailable(request.type);
    return encodeUtf8(answerText(await handler(request, context)));
  };
}

/** The members of an answer in the order its handler has them: sessions recorded by other hosts read the same. */
function answerText(answer: JsonValue): string {
  if (!(answer instanceof Map)) return stringifyJson(answer);
  return `{${Array.from(answer, ([name, value]) => `${stringifyJson(name)}:${stringifyJson(value)}`).join(',')}}`;
}

function notAvailable(type: CapabilityRequestType): CapabilityError {
  const [what, because] = reason(type);
  return new CapabilityError('not-available', `${what} not available because ${because}`);
}

function reason(type: CapabilityRequestType): [what: string, because: string] {
  if (type.includes('Kubernetes')) return ['Kubernetes lookups are', 'this host has no connection to a cluster'];
  if (type.startsWith('OciManifest')) return ['image lookups are', 'this host has no access to registries'];
  if (type.startsWith('Sigstore')) return ['signature verification is', 'this host has no access to registries'];
  if (type === 'DNSLookupHost') return ['DNS lookups are', 'this host has no resolver'];
  return ['certificate verification is', 'this host does not verify certificates'];
}
