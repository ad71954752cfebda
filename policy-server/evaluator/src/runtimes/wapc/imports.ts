import type { Guest } from '../guest/guest.ts';
import { HostCalls, type HostCallParameters } from '../guest/host-call.ts';
import type { HostFunctions, Offer } from '../guest/offer.ts';
import { checkSize } from '../guest/output.ts';
import { PREVIEW1_OFFER, preview1Functions } from '../preview1/imports.ts';
import type { System } from '../preview1/system.ts';

const SIGNATURES = {
  __console_log: 'ii>',
  __guest_error: 'ii>',
  __guest_request: 'ii>',
  __guest_response: 'ii>',
  __host_call: 'iiiiiiii>i',
  __host_error: 'i>',
  __host_error_len: '>i',
  __host_response: 'i>',
  __host_response_len: '>i',
} as const;

/** What a waPC policy may import. */
export const WAPC_OFFER: Offer = new Map([
  ['wapc', { signatures: SIGNATURES, suspending: ['__host_call'] }],
  ...PREVIEW1_OFFER,
]);

/** waPC: what passes between host and guest around one `__guest_call`. */
export interface Exchange {
  /** The payload is in parts, each of which goes straight into the guest's memory. */
  request: { readonly operation: Uint8Array; readonly payload: readonly Uint8Array[] } | undefined;
  response: Uint8Array | undefined;
  guestError: string | undefined;
}

/** waPC: answers of the last host call; each is kept until the next one begins. */
interface LastHostCall {
  response: Uint8Array | undefined;
  error: Uint8Array | undefined;
}

/** waPC and WASI for one guest. */
export function wapcFunctions(system: System, exchange: Exchange): HostFunctions {
  const { guest } = system;
  return new Map([
    [
      'wapc',
      () => ({ ...exchangeFunctions(guest, exchange), ...hostCallFunctions(guest), ...consoleFunctions(guest) }),
    ],
    ...preview1Functions(system),
  ]);
}

function exchangeFunctions({ memory, limits }: Guest, exchange: Exchange) {
  return {
    __guest_request(operationAt: number, payloadAt: number): void {
      if (exchange.request === undefined) return;
      memory.write(operationAt, exchange.request.operation);
      memory.writeAll(payloadAt, exchange.request.payload);
    },
    __guest_response(pointer: number, length: number): void {
      checkSize('response', length >>> 0, limits.maxOutputBytes);
      exchange.response = memory.copy(pointer, length);
    },
    __guest_error(pointer: number, length: number): void {
      checkSize('error text', length >>> 0, limits.maxOutputBytes);
      exchange.guestError = memory.text(pointer, length);
    },
  };
}

/** waPC: `__host_call` returns 1 for success and 0 for failure, unlike its sister in the WASI mode. */
function hostCallFunctions(guest: Guest) {
  const { memory } = guest;
  const calls = new HostCalls(guest);
  const last: LastHostCall = { response: undefined, error: undefined };
  const forget = (): void => {
    last.response = undefined;
    last.error = undefined;
  };
  guest.onReset(forget);
  return {
    async __host_call(...parameters: HostCallParameters): Promise<number> {
      forget();
      const { ok, bytes } = await calls.run(parameters);
      last[ok ? 'response' : 'error'] = bytes;
      return ok ? 1 : 0;
    },
    __host_response_len: (): number => last.response?.length ?? 0,
    __host_response(pointer: number): void {
      if (last.response !== undefined) memory.write(pointer, last.response);
    },
    __host_error_len: (): number => last.error?.length ?? 0,
    __host_error(pointer: number): void {
      if (last.error !== undefined) memory.write(pointer, last.error);
    },
  };
}

function consoleFunctions(guest: Guest) {
  const { memory, limits, host } = guest;
  let written = 0;
  guest.onReset(() => {
    written = 0;
  });
  return {
    __console_log(pointer: number, length: number): void {
      // An empty line counts as well, or a guest could log without end.
      written += (length >>> 0) + 1;
      checkSize('console output', written, limits.maxOutputBytes);
      host.log('info', memory.text(pointer, length));
    },
  };
}
