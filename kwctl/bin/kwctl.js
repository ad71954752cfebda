#!/usr/bin/env node
// Plain JavaScript, so that any Node.js can read it: an old one is told what it lacks instead of failing on syntax, and
// a new one need not load its TypeScript support when everything else comes from the compile cache.
import module from 'node:module';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 20)) {
  process.stderr.write(`Error: kwctl needs Node.js 24.20 or newer, this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  // Not in the temporary folder, Node's default: others may write there, and compiled code is trusted.
  const cache = cacheHome();
  if (cache !== undefined) module.enableCompileCache(join(cache, 'portcullis', 'compiled'));
  await import('../src/main.ts');
}

function cacheHome() {
  const xdg = process.env['XDG_CACHE_HOME'] ?? '';
  if (isAbsolute(xdg)) return xdg;
  try {
    // HOME may be set, and empty: what is relative would be looked for in the working directory.
    const home = homedir() || userInfo().homedir;
    return isAbsolute(home) ? join(home, '.cache') : undefined;
  } catch {
    // A user without a home, as containers have them.
    return undefined;
  }
}
