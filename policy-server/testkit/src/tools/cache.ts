import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Folder for everything that is dear to make again; outside every checkout, keyed by version or content below. */
export function cacheRoot(): string {
  const xdg = process.env['XDG_CACHE_HOME'];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'portcullis');
}

/** A lock left behind by a process that died is taken over after this long. */
const STALE_LOCK_MS = 30 * 60_000;

/**
 * Makes `folder` by calling `build` with an empty folder, once, however many processes ask for it at the same time.
 * A build that fails leaves nothing behind.
 */
export async function madeOnce(folder: string, build: (into: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const lock = `${folder}.lock`;
  while (!(await take(lock))) {
    await sleep(250);
    if (existsSync(folder)) return folder;
  }
  try {
    if (existsSync(folder)) return folder;
    const into = await mkdtemp(`${folder}.tmp-`);
    try {
      await build(into);
      await rename(into, folder);
    } finally {
      await rm(into, { recursive: true, force: true });
    }
    return folder;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
    await writeFile(join(lock, 'pid'), String(process.pid));
    return true;
  } catch {
    const held = await stat(lock).catch(() => undefined);
    if (held !== undefined && Date.now() - held.mtimeMs > STALE_LOCK_MS)
      await rm(lock, { recursive: true, force: true });
    return false;
  }
}
