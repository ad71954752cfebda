import { createHash } from 'node:crypto';

/**
 * A cache key of its parts. Each part is preceded by its length, so that no two lists of parts give the same key, whatever an
 * attacker writes into one of them.
 */
export function cacheKey(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('base64url');
}
