import { ERRNO } from './errno.ts';
import type { System } from './system.ts';

/** Most bytes Web Crypto hands out in one call. */
const MAX_FILL_BYTES = 65_536;

/** `random_get` */
export function randomFunctions({ guest }: System) {
  return {
    random_get(pointer: number, length: number): number {
      const bytes = guest.memory.window(pointer, length);
      for (let offset = 0; offset < bytes.length; offset += MAX_FILL_BYTES) {
        // All of the largest memory takes two seconds.
        guest.checkStop();
        guest.host.randomFill(bytes.subarray(offset, offset + MAX_FILL_BYTES));
      }
      return ERRNO.success;
    },
  };
}
