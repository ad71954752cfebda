/** How a question was answered by a cache. */
export type CacheResult = 'hit' | 'miss' | 'revalidated' | 'stale' | 'negative' | 'bypass';

/** One question to a cache, for metrics and logs. */
export interface CacheLookup {
  readonly cache: string;
  readonly host: string;
  readonly result: CacheResult;
}
