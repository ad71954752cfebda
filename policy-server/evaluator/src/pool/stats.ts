import { count } from './seating.ts';
import type { Thread } from './thread.ts';

/** What a pool is doing and has done. */
export interface PoolStats extends Readonly<PoolCounts> {
  readonly threads: number;
  readonly queued: number;
  /** Evaluations that occupy a thread, or will as soon as it lets them. */
  readonly running: number;
  /** Evaluations that wait for the host. */
  readonly suspended: number;
  readonly overloads: number;
}

export interface PoolCounts {
  timeouts: number;
  /** Guests that were stopped where they were, for whatever reason, and left their thread to others. */
  stopped: number;
  /** Those of them that were stopped because another policy waited; they start over. */
  preempted: number;
  /** Threads that had to be ended: a guest did not stop, or took its thread down. */
  threadsReplaced: number;
  /** Evaluations that started over because another guest held up their thread or took it down. */
  runAgain: number;
}

/** Who is on the threads. */
export function occupancy(threads: readonly Thread[]): Pick<PoolStats, 'threads' | 'running' | 'suspended'> {
  return {
    threads: threads.length,
    running: count(threads, (thread) => thread.running),
    suspended: count(threads, (thread) => thread.suspended),
  };
}
