import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { METADATA_SECTION, replaceCustomSection } from '@portcullis/protocol';
import { cacheRoot, madeOnce } from '../tools/cache.ts';
import { onPath } from '../tools/command.ts';
import { ToolUnavailable, toolFolder } from '../tools/tools.ts';
import { GUEST_NAMES, type GuestName, type GuestRecipe, RECIPES } from './recipes.ts';

const GUESTS = fileURLToPath(new URL('../../guests/', import.meta.url));
const COMMITTED = join(GUESTS, 'build');

/** sha256 over names and contents of a guest's sources: what its builds are keyed by. */
export async function guestSourceHash(name: GuestName): Promise<string> {
  const { metadata, alsoFrom = [] }: GuestRecipe = RECIPES[name];
  const hash = createHash('sha256').update(JSON.stringify(metadata));
  for (const folder of [name, ...alsoFrom]) {
    for (const file of await sourceFiles(join(GUESTS, folder))) {
      hash.update(relative(GUESTS, file)).update(await readFile(file));
    }
  }
  return hash.digest('hex');
}

async function sourceFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(({ name }) => name !== 'Cargo.lock' && !name.endsWith('.test.ts'));
  return files.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).toSorted();
}

/**
 * A guest under test, with its metadata. It is built by its real toolchain where that is present and otherwise taken from the
 * committed build of the same sources.
 */
export async function guestModule(name: GuestName, progress: (line: string) => void = () => {}): Promise<Uint8Array> {
  const recipe: GuestRecipe = RECIPES[name];
  const hash = await guestSourceHash(name);
  if (!recipe.programs.every(onPath)) return committedGuest(name);
  const folder = join(cacheRoot(), 'guests', `${name}-${hash.slice(0, 16)}`);
  try {
    await madeOnce(folder, async (into) => {
      progress(`building guest ${name} …`);
      const bytes = await recipe.build(join(GUESTS, name), (tool) => toolFolder(tool, progress));
      await writeFile(join(into, 'guest.wasm'), annotated(bytes, recipe));
    });
  } catch (error) {
    if (error instanceof ToolUnavailable) return committedGuest(name);
    throw error;
  }
  return readFile(join(folder, 'guest.wasm'));
}

/** The build of a guest that is kept in the repository. */
export async function committedGuest(name: GuestName): Promise<Uint8Array> {
  return gunzipSync(await readFile(join(COMMITTED, `${name}.wasm.gz`)));
}

/** Source hashes the committed builds were made from. */
export async function committedHashes(): Promise<Record<string, string>> {
  return JSON.parse(await readFile(join(COMMITTED, 'sources.json'), 'utf8'));
}

/** Rewrites the committed builds from what the toolchains make of the sources now. */
export async function commitGuests(progress: (line: string) => void): Promise<void> {
  const sources: Record<string, string> = {};
  await mkdir(COMMITTED, { recursive: true });
  for (const name of GUEST_NAMES) {
    const { programs, tools }: GuestRecipe = RECIPES[name];
    // What npm alone builds can be built everywhere.
    if (programs.length + tools.length === 0) continue;
    const packed = gzipSync(await guestModule(name, progress), { level: 9 });
    await writeFile(join(COMMITTED, `${name}.wasm.gz`), packed);
    sources[name] = await guestSourceHash(name);
    progress(`${name}: ${(packed.length / 1024).toFixed(0)} KiB gzipped`);
  }
  await writeFile(join(COMMITTED, 'sources.json'), `${JSON.stringify(sources, null, 2)}\n`);
}

function annotated(bytes: Uint8Array, recipe: GuestRecipe): Uint8Array {
  const content = new TextEncoder().encode(JSON.stringify(recipe.metadata));
  return replaceCustomSection(bytes, METADATA_SECTION, content);
}
