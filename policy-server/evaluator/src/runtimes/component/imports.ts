import type { GuestHost, GuestLimits } from '../runtime.ts';
import { thrownText } from './errors.ts';
import { HOST_INTERFACE, HOST_INTERFACE_KEY } from './world.ts';

/** `result<list<u8>, string>` as jco's glue lowers it. */
type HostResult = { readonly tag: 'ok'; readonly val: Uint8Array } | { readonly tag: 'err'; readonly val: string };

export type ComponentImports = Readonly<Record<string, { readonly call: HostFunction }>>;
type HostFunction = (binding: string, namespace: string, operation: string, payload: Uint8Array) => Promise<HostResult>;

/** Says that an evaluation has come to its end, by itself or from outside. */
export interface Ending {
  readonly ended: boolean;
  /** Ends it because a limit was passed; `message` is for the operator. */
  exceed(message: string): void;
}

/** What the guest finds behind `portcullis:policy/host`: the host's one function, counted and measured. */
export function hostImports(host: GuestHost, limits: GuestLimits, ending: Ending): ComponentImports {
  const { maxHostCalls, maxHostCallBytes } = limits;
  let calls = 0;
  async function call(binding: string, namespace: string, operation: string, payload: Uint8Array): Promise<HostResult> {
    if (++calls > maxHostCalls) {
      ending.exceed(`the policy called the host more than ${maxHostCalls} times`);
      return forEver();
    }
    if (payload.length > maxHostCallBytes) return tooLarge('request', payload.length, maxHostCallBytes);
    const result = await ask(host, { binding, namespace, operation, payload: new Uint8Array(payload) });
    // An evaluation that is over is never resumed: its answer would be read by nobody, and its deadline has passed.
    if (ending.ended) return forEver();
    if (result.val.length > maxHostCallBytes) return tooLarge('answer', result.val.length, maxHostCallBytes);
    return result;
  }
  return { [HOST_INTERFACE]: { call }, [HOST_INTERFACE_KEY]: { call } };
}

async function ask(host: GuestHost, call: Parameters<GuestHost['hostCall']>[0]): Promise<HostResult> {
  try {
    return { tag: 'ok', val: await host.hostCall(call) };
  } catch (error) {
    return { tag: 'err', val: thrownText(error) };
  }
}

function tooLarge(what: 'request' | 'answer', bytes: number, maxBytes: number): HostResult {
  return { tag: 'err', val: `the ${what} of the host call has ${bytes} bytes, at most ${maxBytes} are allowed` };
}

/** Leaves the guest where it is suspended, to be collected with everything it holds. */
function forEver(): Promise<never> {
  return new Promise(() => {});
}
