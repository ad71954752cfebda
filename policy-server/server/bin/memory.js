// What decides how much memory the process takes and can only be decided before anything else is loaded.
// Figures: resident MB of a server with two small policies and two threads, measured with Node 26 on two shared cores.
import module from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The main thread's young generation. V8 lets it grow to 48 MB under load and never gives it back: 299 MB after 10,000 requests,
 * 215 with 4 MB for a half of it, 198 with 2 MB. Requests cost 256 µs of CPU with 2 MB and 249 with 16 (medians of three interleaved runs, whose
 * extremes overlap). Held at 1 MB they cost 15 % more.
 */
const SEMI_SPACE = '--max-semi-space-size=2';

/**
 * glibc raises these two as it goes, and what a large module needed while it was compiled stays with the process: 13 policies took
 * 308 MB after load, 280 with its own first values kept. Other allocators do not know these names.
 */
const MALLOC = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };

/**
 * Puts this process into the place of itself, with the flags above: neither V8 nor glibc takes them once it runs. That costs 40 ms,
 * process id and standard streams stay. Whoever sets the size of the young generation knows better: nothing is done then.
 */
export function restartFrugally() {
  const { argv, env, execArgv, execPath } = process;
  const isDecided = [...execArgv, env['NODE_OPTIONS'] ?? ''].some((flag) => /semi[-_]space[-_]size/.test(flag));
  // A channel to the parent, as of `fork`, would not survive.
  if (isDecided || process.execve === undefined || process.platform === 'win32' || process.channel !== undefined)
    return;
  process.execve(execPath, [execPath, SEMI_SPACE, ...execArgv, ...argv.slice(1)], { ...MALLOC, ...env });
}

/**
 * Without it, the main thread and each worker load what strips types, a WebAssembly module of 4 MB as text, and keep it: 185 MB after
 * start, 137 with it. Threads are told where it is (`threadEnvironment` of the evaluator).
 */
export function keepCompiledCode() {
  const folder = cacheHome();
  if (folder !== undefined) module.enableCompileCache(join(folder, 'portcullis', 'compiled'));
}

/** Not the temporary folder, Node's default: others may write there, and compiled code is trusted. */
function cacheHome() {
  const xdg = process.env['XDG_CACHE_HOME'] ?? '';
  if (isAbsolute(xdg)) return xdg;
  try {
    const home = homedir();
    // HOME may be set, and empty: what is relative would be looked for in the working directory.
    return isAbsolute(home) ? join(home, '.cache') : undefined;
  } catch {
    // A user without a home, as containers have them.
    return undefined;
  }
}
