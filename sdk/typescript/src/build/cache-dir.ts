import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Where command lines keep built policies: `${XDG_CACHE_HOME:-~/.cache}/portcullis/policies`. */
export function defaultCacheDir(environment: Readonly<Record<string, string | undefined>>): string {
  // HOME may be set, and empty: a relative folder would lie in the working directory. XDG: a relative path is invalid and must be ignored.
  const base = environment['XDG_CACHE_HOME'];
  return join(base?.startsWith('/') ? base : join(homedir() || userInfo().homedir, '.cache'), 'portcullis', 'policies');
}
