import type { GuestMemory } from '../guest/memory.ts';
import { readClock } from './clocks.ts';
import { ERRNO } from './errno.ts';
import type { Snapshot, System } from './system.ts';

const MAX_SUBSCRIPTIONS = 1024;
/** Longest time one timer can take: 2^31 − 1 ms. */
const MAX_SLEEP_MS = 2_147_483_647n;
const NS_PER_MS = 1_000_000n;

const EVENT_SIZE = 32;
const EVENT_CLOCK = 0;
const EVENT_FD_READ = 1;
const EVENT_FD_WRITE = 2;
const ABSOLUTE_TIME = 1;

/** Offsets in a subscription; snapshot 0 has an identifier before the clock's number. */
const LAYOUT = {
  wasi_snapshot_preview1: { size: 48, clock: 16, timeout: 24, flags: 40 },
  wasi_unstable: { size: 56, clock: 24, timeout: 32, flags: 48 },
} as const;
const DESCRIPTOR_OFFSET = 16;

interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  readonly errno: number;
  /** Bytes that can be read. */
  readonly size: number;
  /** How long until it fires: 0 = now. */
  readonly waitNs: bigint;
}

/** `poll_oneoff`: the streams are always ready, clocks make the guest sleep without keeping the thread. */
export function pollFunctions(system: System, snapshot: Snapshot) {
  const { memory, host } = system.guest;
  return {
    poll_oneoff(subscriptionsAt: number, eventsAt: number, count: number, firedAt: number): number | Promise<number> {
      const size = count >>> 0;
      if (size === 0 || size > MAX_SUBSCRIPTIONS) return ERRNO.inval;
      memory.window(eventsAt, size * EVENT_SIZE);
      memory.window(firedAt, 4);
      const subscriptions = readSubscriptions(system, snapshot, subscriptionsAt, size);
      const waitNs = subscriptions.reduce((least, each) => (each.waitNs < least ? each.waitNs : least), 2n ** 64n);
      const report = (): number =>
        writeEvents(
          memory,
          eventsAt,
          firedAt,
          subscriptions.filter((each) => each.waitNs <= waitNs),
        );
      return waitNs === 0n ? report() : host.sleep(sleepMs(waitNs)).then(report);
    },
  };
}

function readSubscriptions(system: System, snapshot: Snapshot, start: number, count: number): Subscription[] {
  const { size } = LAYOUT[snapshot];
  return Array.from({ length: count }, (_, index) => readSubscription(system, snapshot, (start >>> 0) + index * size));
}

function readSubscription(system: System, snapshot: Snapshot, at: number): Subscription {
  const { memory } = system.guest;
  memory.window(at, LAYOUT[snapshot].size);
  const userdata = memory.readU64(at);
  const type = memory.readU8(at + 8);
  switch (type) {
    case EVENT_CLOCK:
      return { userdata, type, size: 0, ...readTimer(system, snapshot, at) };
    case EVENT_FD_READ: {
      const isStdin = memory.readU32(at + DESCRIPTOR_OFFSET) === 0;
      return {
        userdata,
        type,
        waitNs: 0n,
        errno: isStdin ? ERRNO.success : ERRNO.badf,
        size: isStdin ? system.stdin.size : 0,
      };
    }
    case EVENT_FD_WRITE: {
      const descriptor = memory.readU32(at + DESCRIPTOR_OFFSET);
      const isOutput = descriptor === 1 || descriptor === 2;
      return { userdata, type, waitNs: 0n, errno: isOutput ? ERRNO.success : ERRNO.badf, size: 0 };
    }
    default:
      return { userdata, type, waitNs: 0n, errno: ERRNO.inval, size: 0 };
  }
}

function readTimer({ guest }: System, snapshot: Snapshot, at: number): Pick<Subscription, 'errno' | 'waitNs'> {
  const layout = LAYOUT[snapshot];
  const timeoutNs = guest.memory.readU64(at + layout.timeout);
  const now = readClock(guest.host, guest.memory.readU32(at + layout.clock));
  if (now === undefined) return { errno: ERRNO.inval, waitNs: 0n };
  const isAbsolute = (guest.memory.readU16(at + layout.flags) & ABSOLUTE_TIME) !== 0;
  const waitNs = isAbsolute ? timeoutNs - now : timeoutNs;
  return { errno: ERRNO.success, waitNs: waitNs > 0n ? waitNs : 0n };
}

/** Rounded up: a guest must not wake before its time (unless it asked for more than one timer can do, 24 days). */
function sleepMs(durationNs: bigint): number {
  const ms = (durationNs + NS_PER_MS - 1n) / NS_PER_MS;
  return ms > MAX_SLEEP_MS ? Number(MAX_SLEEP_MS) : Number(ms);
}

function writeEvents(memory: GuestMemory, eventsAt: number, firedAt: number, fired: readonly Subscription[]): number {
  for (const [index, event] of fired.entries()) {
    const at = (eventsAt >>> 0) + index * EVENT_SIZE;
    memory.window(at, EVENT_SIZE).fill(0);
    memory.writeU64(at, event.userdata);
    memory.writeU16(at + 8, event.errno);
    memory.writeU8(at + 10, event.type);
    memory.writeU64(at + 16, BigInt(event.size));
  }
  memory.writeU32(firedAt, fired.length);
  return ERRNO.success;
}
