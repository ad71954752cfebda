import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheRoot, madeOnce, onPath, runCommand } from '@portcullis/testkit';
import { BenchError } from '../bench.ts';

const SOURCES = join(import.meta.dirname, '../../peers/wasmtime');
const NEEDS = ['cargo', 'rustc', 'cc'];
const PROGRAM = 'wasmtime-peer';

/** A built program that takes part in a bench. */
export interface Peer {
  readonly program: string;
  /** By crate. */
  readonly versions: Readonly<Record<string, string>>;
}

/** The native peer, built first if this machine does not have it yet: five to fifteen minutes on two cores, once per version. */
export async function wasmtimePeer(print: (line: string) => void): Promise<Peer> {
  const manifest = await readFile(join(SOURCES, 'Cargo.toml'), 'utf8');
  const versions = pinnedVersions(manifest);
  const folder = join(
    cacheRoot(),
    'peers',
    `wasmtime-${versions['wasmtime'] ?? 'unknown'}-${(await sourceHash(SOURCES)).slice(0, 12)}`,
  );
  await madeOnce(folder, (into) => build(into, print));
  return { program: join(folder, PROGRAM), versions };
}

async function build(into: string, print: (line: string) => void): Promise<void> {
  const missing = NEEDS.filter((program) => !onPath(program));
  if (missing.length > 0) throw new BenchError(`the wasmtime peer needs ${missing.join(', ')} on PATH to be built`);
  print('building the wasmtime peer (5 to 15 min, once) …');
  const work = await mkdtemp(join(tmpdir(), 'portcullis-peer-'));
  try {
    // A copy: cargo leaves a lock file beside the manifest that names the registry of this machine.
    await cp(SOURCES, work, { recursive: true });
    const target = join(work, 'target');
    await runCommand('cargo', ['build', '--release'], { cwd: work, env: { CARGO_TARGET_DIR: target } });
    await cp(join(target, 'release', PROGRAM), join(into, PROGRAM));
    // What the build resolved to, for whoever doubts a figure.
    await cp(join(work, 'Cargo.lock'), join(into, 'Cargo.lock'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** `name = "=1.2.3"` and `name = { version = "=1.2.3", … }`. */
function pinnedVersions(manifest: string): Record<string, string> {
  const found = manifest.matchAll(/^([\w-]+) = (?:\{ version = )?"=([\d.]+)"/gm);
  return Object.fromEntries([...found].map(([, name = '', version = '']) => [name, version]));
}

async function sourceHash(folder: string): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  for (const file of files.toSorted()) hash.update(file.slice(folder.length)).update(await readFile(file));
  return hash.digest('hex');
}
