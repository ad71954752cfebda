import type { GuestMemory } from '../guest/memory.ts';
import type { CapturedOutput } from '../guest/output.ts';
import { ERRNO } from './errno.ts';
import type { Stdin } from './stdin.ts';
import type { Snapshot, System } from './system.ts';

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const STREAMS = [STDIN, STDOUT, STDERR];

/** POSIX IOV_MAX: a guest cannot keep the host busy with millions of empty buffers. */
const MAX_IOVS = 1024;
const IOV_SIZE = 8;
const FDSTAT_SIZE = 24;
const FILESTAT_SIZE = { wasi_snapshot_preview1: 64, wasi_unstable: 56 } as const;

const RIGHT_READ = 1n << 1n;
const RIGHT_WRITE = 1n << 6n;
const RIGHTS_OF_A_PIPE = (1n << 3n) | (1n << 21n) | (1n << 27n); // fdstat_set_flags, filestat_get, poll_fd_readwrite

/** `fd_*` on the three standard streams, which are pipes: they cannot seek and have no size. */
export function descriptorFunctions(system: System, snapshot: Snapshot) {
  const open = new Set(STREAMS);
  const { guest } = system;
  const { memory } = guest;
  guest.onReset(() => {
    for (const stream of STREAMS) open.add(stream);
    system.hasClosedStream = false;
  });
  const whenOpen = (descriptor: number, run: () => number): number => (open.has(descriptor) ? run() : ERRNO.badf);
  return {
    fd_read(descriptor: number, iovsAt: number, count: number, readAt: number): number {
      if (descriptor !== STDIN || !open.has(STDIN)) return ERRNO.badf;
      return transfer(memory, [iovsAt, count, readAt], (buffers) => fillFrom(system.stdin, buffers));
    },
    fd_write(descriptor: number, iovsAt: number, count: number, writtenAt: number): number {
      if ((descriptor !== STDOUT && descriptor !== STDERR) || !open.has(descriptor)) return ERRNO.badf;
      const output = descriptor === STDOUT ? system.stdout : system.stderr;
      return transfer(memory, [iovsAt, count, writtenAt], (buffers) => appendAll(output, buffers));
    },
    fd_close(descriptor: number): number {
      if (!open.delete(descriptor)) return ERRNO.badf;
      system.hasClosedStream = true;
      return ERRNO.success;
    },
    fd_fdstat_get(descriptor: number, statAt: number): number {
      return whenOpen(descriptor, () => {
        // File type "unknown" and no flags, as of a pipe: not a terminal, so C libraries buffer whole blocks.
        memory.window(statAt, FDSTAT_SIZE).fill(0);
        memory.writeU64((statAt >>> 0) + 8, RIGHTS_OF_A_PIPE | (descriptor === STDIN ? RIGHT_READ : RIGHT_WRITE));
        return ERRNO.success;
      });
    },
    fd_fdstat_set_flags: (descriptor: number): number => whenOpen(descriptor, () => ERRNO.success),
    fd_filestat_get(descriptor: number, statAt: number): number {
      return whenOpen(descriptor, () => {
        memory.window(statAt, FILESTAT_SIZE[snapshot]).fill(0);
        return ERRNO.success;
      });
    },
    fd_seek: (descriptor: number): number => whenOpen(descriptor, () => ERRNO.spipe),
    fd_tell: (descriptor: number): number => whenOpen(descriptor, () => ERRNO.spipe),
    fd_pread: (descriptor: number): number => whenOpen(descriptor, () => ERRNO.spipe),
    fd_pwrite: (descriptor: number): number => whenOpen(descriptor, () => ERRNO.spipe),
    fd_prestat_get: (): number => ERRNO.badf,
    fd_prestat_dir_name: (): number => ERRNO.badf,
  };
}

/** Moves bytes between a stream and the guest's buffers. All addresses are checked first: a refused call has no effect. */
function transfer(
  memory: GuestMemory,
  [iovsAt, count, movedAt]: readonly [number, number, number],
  move: (buffers: readonly Uint8Array[]) => number,
): number {
  if (count >>> 0 > MAX_IOVS) return ERRNO.inval;
  memory.window(movedAt, 4);
  const buffers: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    const iov = (iovsAt >>> 0) + index * IOV_SIZE;
    buffers.push(memory.window(memory.readU32(iov), memory.readU32(iov + 4)));
  }
  memory.writeU32(movedAt, move(buffers));
  return ERRNO.success;
}

function fillFrom(stdin: Stdin, buffers: readonly Uint8Array[]): number {
  return buffers.reduce((moved, buffer) => moved + stdin.readInto(buffer), 0);
}

function appendAll(output: CapturedOutput, buffers: readonly Uint8Array[]): number {
  return buffers.reduce((moved, buffer) => {
    output.append(buffer);
    return moved + buffer.length;
  }, 0);
}
