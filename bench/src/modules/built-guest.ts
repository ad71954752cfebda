import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheRoot, madeOnce, onPath } from '@portcullis/testkit';
import { BenchError } from '../bench.ts';
import { type GuestMode, withMetadata } from './policy-metadata.ts';

const GUESTS = join(import.meta.dirname, '../../guests');

export interface GuestBuild {
  /** Unique among all builds. */
  readonly name: string;
  /** Folder below `bench/guests`. */
  readonly sources: string;
  readonly mode: GuestMode;
  /** Without these on PATH the bench cannot run here. */
  readonly programs: readonly string[];
  /** Builds in a copy of the sources; answers the path of the module. */
  readonly build: (folder: string) => Promise<string>;
}

/** A guest of the benches, built once per content of its sources and kept outside of the checkout. */
export async function builtGuest({ name, sources, mode, programs, build }: GuestBuild): Promise<Uint8Array> {
  const source = join(GUESTS, sources);
  const folder = join(cacheRoot(), 'bench', `${name}-${await contentHash(source)}`);
  await madeOnce(folder, async (into) => {
    const missing = programs.filter((program) => !onPath(program));
    if (missing.length > 0) throw new BenchError(`building ${name} needs ${missing.join(', ')} on PATH`);
    process.stderr.write(`building ${name} (once) …\n`);
    const work = await mkdtemp(join(tmpdir(), 'portcullis-bench-'));
    try {
      await cp(source, work, { recursive: true });
      await writeFile(join(into, 'guest.wasm'), withMetadata(await readFile(await build(work)), mode));
    } finally {
      // Go keeps what it downloads read-only, and some of it may be here.
      await rm(work, { recursive: true, force: true });
    }
  });
  return readFile(join(folder, 'guest.wasm'));
}

async function contentHash(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(folder, { recursive: true })).toSorted()) {
    const path = join(folder, name);
    const content = await readFile(path).catch(() => undefined);
    if (content !== undefined) hash.update(name).update(content);
  }
  return hash.digest('hex').slice(0, 16);
}
