import { ABANDONMENT } from '../abandonment.ts';
import type { HostCall } from '@portcullis/protocol';
import type { GuestHost, GuestLimits } from '../runtime.ts';
import { thrownText } from './errors.ts';
import { HOST_INTERFACE, HOST_INTERFACE_KEY } from './world.ts';

/** `result<list<u8>, string>` as jco's glue lowers it. */
type HostResult = { readonly tag: 'ok'; readonly val: Uint8Array } | { readonly tag: 'err'; readonly val: string };

export type ComponentImports = Readonly<Record<string, { readonly call: HostFunction }>>;
type HostFunction = (binding: string, namespace: string, operation: string, payload: Uint8Array) => Promise<HostResult>;

/** How one evaluation comes to its end, by itself or from outside. */
export interface Ending {
  readonly ended: boolean;
  /** Ends it: a call under way answers that a limit was passed. `message` is for the operator. */
  exceed(message: string): void;
}

export interface HostImportsOptions {
  readonly limits: GuestLimits;
  /** The control memory of the thread. */
  readonly control: Int32Array;
  readonly ending: Ending;
}

/** What the guest finds behind `portcullis:policy/host`: the host's one function, counted and measured. */
export function hostImports(host: GuestHost, { limits, control, ending }: HostImportsOptions): ComponentImports {
  const { maxHostCalls, maxHostCallBytes } = limits;
  let calls = 0;
  async function call(binding: string, namespace: string, operation: string, payload: Uint8Array): Promise<HostResult> {
    const size = binding.length + namespace.length + operation.length + payload.length;
    calls += 1;
    if (calls > maxHostCalls) ending.exceed(`the policy made more than ${maxHostCalls} host calls in one evaluation`);
    else if (size > maxHostCallBytes)
      ending.exceed(`a host call of ${size} bytes exceeds the limit of ${maxHostCallBytes} bytes`);
    if (ending.ended || isStopped(control)) throw ABANDONMENT;
    const result = await ask(host, { binding, namespace, operation, payload: new Uint8Array(payload) });
    if (result.val.length > maxHostCallBytes) {
      const what = `the answer of ${namespace}/${operation}, ${result.val.length} bytes,`;
      ending.exceed(`${what} exceeds the limit of ${maxHostCallBytes} bytes`);
    }
    // An evaluation that is over runs no further: nobody waits for its answer, and its deadline may have passed.
    if (ending.ended) throw ABANDONMENT;
    return result;
  }
  return { [HOST_INTERFACE]: { call }, [HOST_INTERFACE_KEY]: { call } };
}

async function ask(host: GuestHost, call: HostCall): Promise<HostResult> {
  try {
    return { tag: 'ok', val: await host.hostCall(call) };
  } catch (error) {
    if (error === ABANDONMENT) throw error;
    return { tag: 'err', val: thrownText(error) };
  }
}

/** See `ThreadContext.control`. */
function isStopped(control: Int32Array): boolean {
  return (Atomics.load(control, 0) & 1) !== 0;
}
