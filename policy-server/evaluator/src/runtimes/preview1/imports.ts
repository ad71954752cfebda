import type { HostFunction, HostFunctions, Offer, OfferedModule, Signature } from '../guest/offer.ts';
import { PointerError } from '../guest/stop.ts';
import { argumentFunctions } from './args.ts';
import { clockFunctions } from './clocks.ts';
import { ERRNO } from './errno.ts';
import { processFunctions } from './exit.ts';
import { descriptorFunctions } from './fds.ts';
import { pollFunctions } from './poll.ts';
import { randomFunctions } from './random.ts';
import { refusedFunctions } from './refused.ts';
import type { Snapshot, System } from './system.ts';

/** WASI snapshot preview 1, complete. Snapshot 0 has the same functions and types; it lacks `sock_accept` only. */
const SIGNATURES = {
  args_get: 'ii>i',
  args_sizes_get: 'ii>i',
  clock_res_get: 'ii>i',
  clock_time_get: 'iIi>i',
  environ_get: 'ii>i',
  environ_sizes_get: 'ii>i',
  fd_advise: 'iIIi>i',
  fd_allocate: 'iII>i',
  fd_close: 'i>i',
  fd_datasync: 'i>i',
  fd_fdstat_get: 'ii>i',
  fd_fdstat_set_flags: 'ii>i',
  fd_fdstat_set_rights: 'iII>i',
  fd_filestat_get: 'ii>i',
  fd_filestat_set_size: 'iI>i',
  fd_filestat_set_times: 'iIIi>i',
  fd_pread: 'iiiIi>i',
  fd_prestat_dir_name: 'iii>i',
  fd_prestat_get: 'ii>i',
  fd_pwrite: 'iiiIi>i',
  fd_read: 'iiii>i',
  fd_readdir: 'iiiIi>i',
  fd_renumber: 'ii>i',
  fd_seek: 'iIii>i',
  fd_sync: 'i>i',
  fd_tell: 'ii>i',
  fd_write: 'iiii>i',
  path_create_directory: 'iii>i',
  path_filestat_get: 'iiiii>i',
  path_filestat_set_times: 'iiiiIIi>i',
  path_link: 'iiiiiii>i',
  path_open: 'iiiiiIIii>i',
  path_readlink: 'iiiiii>i',
  path_remove_directory: 'iii>i',
  path_rename: 'iiiiii>i',
  path_symlink: 'iiiii>i',
  path_unlink_file: 'iii>i',
  poll_oneoff: 'iiii>i',
  proc_exit: 'i>',
  proc_raise: 'i>i',
  random_get: 'ii>i',
  sched_yield: '>i',
  sock_accept: 'iii>i',
  sock_recv: 'iiiiii>i',
  sock_send: 'iiiii>i',
  sock_shutdown: 'ii>i',
} as const satisfies Readonly<Record<string, Signature>>;

type FunctionName = keyof typeof SIGNATURES;
type SystemFunctions = Readonly<Record<FunctionName, HostFunction>>;

const OFFERED: OfferedModule = { signatures: SIGNATURES, suspending: ['poll_oneoff'] };

const SNAPSHOTS: readonly Snapshot[] = ['wasi_snapshot_preview1', 'wasi_unstable'];

/** The part of WASI both runtimes offer. */
export const PREVIEW1_OFFER: Offer = new Map(SNAPSHOTS.map((snapshot) => [snapshot, OFFERED]));

/** WASI for one guest, under both names. */
export function preview1Functions(system: System): HostFunctions {
  return new Map(SNAPSHOTS.map((snapshot) => [snapshot, () => functionsOf(system, snapshot)]));
}

function functionsOf(system: System, snapshot: Snapshot): Readonly<Record<string, HostFunction>> {
  const functions: SystemFunctions = {
    ...refusedFunctions(),
    ...argumentFunctions(system),
    ...clockFunctions(system),
    ...randomFunctions(system),
    ...descriptorFunctions(system, snapshot),
    ...pollFunctions(system, snapshot),
    ...processFunctions(),
  };
  return Object.fromEntries(Object.entries(functions).map(([name, run]) => [name, orFault(run)]));
}

/** A pointer out of range is an error number here, not a trap. */
function orFault(run: HostFunction): HostFunction {
  return (...args) => {
    try {
      return run(...args);
    } catch (error) {
      if (error instanceof PointerError) return ERRNO.fault;
      throw error;
    }
  };
}
