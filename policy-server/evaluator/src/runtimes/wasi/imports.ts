import { HostCalls, type HostCallParameters } from '../guest/host-call.ts';
import type { HostFunctions, Offer } from '../guest/offer.ts';
import { PREVIEW1_OFFER, preview1Functions } from '../preview1/imports.ts';
import type { System } from '../preview1/system.ts';

const HOST_CALL = { signatures: { call: 'iiiiiiii>i' }, suspending: ['call'] };

/** The Go SDK's name of the host call, and the one Javy gives to modules of the JavaScript SDK. */
const HOST_MODULES = ['host', 'kubewarden:javy/host'];

/** What a WASI policy may import. */
export const WASI_OFFER: Offer = new Map([
  ...HOST_MODULES.map((module) => [module, HOST_CALL] as const),
  ...PREVIEW1_OFFER,
]);

/** What a program sees, and what its instance is judged by afterwards. */
export interface WasiSystem extends System {
  /** Whether the host refused something in this evaluation. */
  hostCallFailed: boolean;
}

/** WASI and the host call for one guest. */
export function wasiFunctions(system: WasiSystem): HostFunctions {
  const calls = new HostCalls(system.guest);
  return new Map([
    ...HOST_MODULES.map((module) => [module, () => hostCallFunctions(system, calls)] as const),
    ...preview1Functions(system),
  ]);
}

/**
 * The answer, or the text of the refusal, is appended to the guest's standard input. 0 means success and 1 failure, unlike in
 * waPC.
 */
function hostCallFunctions(system: WasiSystem, calls: HostCalls) {
  return {
    async call(...parameters: HostCallParameters): Promise<number> {
      const { ok, bytes } = await calls.run(parameters);
      system.stdin.append(bytes);
      if (!ok) system.hostCallFailed = true;
      return ok ? 0 : 1;
    },
  };
}
