import type { GuestHost } from '../runtime.ts';
import { ERRNO } from './errno.ts';
import type { System } from './system.ts';

const REALTIME = 0;
const MONOTONIC = 1;
const LAST_CLOCK = 3;
const RESOLUTION_NS = 1000n;

/** `clock_*`. Processor time of one guest is not measured: those two clocks are known but not supported. */
export function clockFunctions({ guest }: System) {
  return {
    clock_res_get(clock: number, resolutionAt: number): number {
      const error = clockError(clock);
      if (error === ERRNO.success) guest.memory.writeU64(resolutionAt, RESOLUTION_NS);
      return error;
    },
    clock_time_get(clock: number, _precision: bigint, timeAt: number): number {
      const now = readClock(guest.host, clock);
      if (now === undefined) return clockError(clock);
      guest.memory.writeU64(timeAt, now);
      return ERRNO.success;
    },
  };
}

/** Nanoseconds on a clock; `undefined` for clocks that are not offered. */
export function readClock(host: GuestHost, clock: number): bigint | undefined {
  if (clock === REALTIME) return host.nowNs();
  return clock === MONOTONIC ? host.monotonicNs() : undefined;
}

function clockError(clock: number): number {
  if (clock === REALTIME || clock === MONOTONIC) return ERRNO.success;
  return clock >>> 0 <= LAST_CLOCK ? ERRNO.notsup : ERRNO.inval;
}
