/** What a pool is doing and has done. */
export interface PoolStats {
  readonly threads: number;
  readonly queued: number;
  /** Evaluations that occupy a thread, or will as soon as it lets them. */
  readonly running: number;
  /** Evaluations that wait for the host. */
  readonly suspended: number;
  readonly timeouts: number;
  readonly threadsReplaced: number;
  /** Evaluations that started over because another guest took their thread down. */
  readonly runAgain: number;
  readonly overloads: number;
}
