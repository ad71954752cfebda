import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from './command.ts';

/**
 * A Rust sysroot with std for wasm32-wasip1. The compiler on the machine seldom has that target, so Debian's compiler and its
 * sources are unpacked (not installed) beside each other and std is built once.
 */
const PACKAGES = [
  'rustc-web',
  'libstd-rust-web-dev',
  'libstd-rust-web-1.96',
  'rust-web-src',
  'rust-web-llvm',
  'libllvm22',
  'lld-22',
  'wasi-libc',
];
const TARGET = 'wasm32-wasip1';

export async function buildRustWasi(into: string, version: string): Promise<void> {
  const debs = await mkdtemp(join(tmpdir(), 'portcullis-rust-'));
  try {
    await download(debs);
    for (const deb of await readdir(debs)) {
      if (deb.endsWith('.deb')) await runCommand('dpkg', ['-x', join(debs, deb), into], { cwd: debs });
    }
    await buildStd(into, version, join(debs, 'std'));
  } finally {
    await rm(debs, { recursive: true, force: true });
  }
}

async function download(into: string): Promise<void> {
  try {
    await runCommand('apt-get', ['download', ...PACKAGES], { cwd: into });
  } catch {
    // A fresh machine has no package lists yet.
    await runCommand('apt-get', ['update'], { cwd: into });
    await runCommand('apt-get', ['download', ...PACKAGES], { cwd: into });
  }
}

async function buildStd(root: string, version: string, work: string): Promise<void> {
  const usr = join(root, 'usr');
  const library = join(usr, 'src', `rustc-${version}.0`, 'library');
  await mkdir(join(work, 'src'), { recursive: true });
  await mkdir(join(work, '.cargo'), { recursive: true });
  await writeFile(join(work, 'Cargo.toml'), '[package]\nname = "std-builder"\nversion = "0.0.0"\nedition = "2021"\n');
  await writeFile(join(work, 'src', 'lib.rs'), '');
  await writeFile(
    join(work, '.cargo', 'config.toml'),
    `[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "${join(library, 'vendor')}"\n`,
  );
  const flags = ['build', '-Z', 'build-std=std,panic_abort', '--target', TARGET, '--release', '--offline'];
  await runCommand('cargo', flags, { cwd: work, env: { ...rustEnv(root), RUSTC_BOOTSTRAP: '1' } });
  await installStd(usr, join(work, 'target', TARGET, 'release', 'deps'));
}

async function installStd(usr: string, built: string): Promise<void> {
  const lib = join(usr, 'lib', 'rustlib', TARGET, 'lib');
  const selfContained = join(lib, 'self-contained');
  await mkdir(selfContained, { recursive: true });
  for (const file of await readdir(built)) {
    if (file.endsWith('.rlib') && !file.startsWith('libstd_builder')) await cp(join(built, file), join(lib, file));
  }
  const libc = join(usr, 'lib', 'wasm32-wasi');
  for (const file of await readdir(libc)) {
    if (/\.(?:o|a)$/.test(file)) await cp(join(libc, file), join(selfContained, file));
  }
}

/** Environment in which `cargo build --target wasm32-wasip1` uses the sysroot below `root`. */
export function rustEnv(root: string): Record<string, string> {
  const usr = join(root, 'usr');
  return {
    RUSTC: join(usr, 'bin', 'rustc'),
    PATH: `${process.env['PATH'] ?? ''}:${join(usr, 'bin')}`,
    LD_LIBRARY_PATH: join(usr, 'lib', 'x86_64-linux-gnu'),
  };
}
