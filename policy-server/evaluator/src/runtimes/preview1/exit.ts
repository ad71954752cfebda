import { GuestStop } from '../guest/stop.ts';
import { ERRNO } from './errno.ts';

/** `proc_*` and `sched_yield` */
export function processFunctions() {
  return {
    proc_exit(code: number): never {
      throw new GuestStop('exit', `proc_exit(${code >>> 0})`, code >>> 0);
    },
    proc_raise(): number {
      return ERRNO.nosys;
    },
    sched_yield(): number {
      return ERRNO.success;
    },
  };
}
