import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Folders of packages, below which a `node_modules` may be. */
const PACKAGE_PARENTS = ['policy-server', 'sdk', 'policies'];

/** Another commit of this repository as a checkout that runs. */
export interface Worktree extends AsyncDisposable {
  readonly folder: string;
}

/**
 * Checks a commit out into a temporary folder and gives it the installed dependencies of this checkout. Packages of the workspace
 * are linked to those of the worktree: a link to the whole `node_modules` would resolve to the sources here and compare this
 * checkout with itself.
 */
export async function checkOut(checkout: string, commit: string): Promise<Worktree> {
  const folder = join(await realpath(await mkdtemp(join(tmpdir(), 'portcullis-base-'))), 'checkout');
  const remove = async (): Promise<void> => {
    await git(checkout, 'worktree', 'remove', '--force', folder).catch(() => '');
    await rm(dirname(folder), { recursive: true, force: true });
  };
  try {
    await git(checkout, 'worktree', 'add', '--detach', '--force', folder, commit);
    for (const packageFolder of await packageFolders(folder)) await linkDependencies(checkout, folder, packageFolder);
    return { folder, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

export async function git(checkout: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run('git', ['-C', checkout, ...args]);
  return stdout.trim();
}

/** Relative to the root; the root itself is `.`. */
async function packageFolders(root: string): Promise<string[]> {
  const below = await Promise.all(
    PACKAGE_PARENTS.map(async (parent) => (await entries(join(root, parent))).map((name) => join(parent, name))),
  );
  return ['.', 'kwctl', 'bench', ...below.flat()];
}

async function linkDependencies(checkout: string, worktree: string, packageFolder: string): Promise<void> {
  const from = join(checkout, packageFolder, 'node_modules');
  const into = join(worktree, packageFolder, 'node_modules');
  for (const name of await dependencyNames(from)) {
    const installed = await realpath(join(from, name));
    const inside = relative(checkout, installed);
    const isWorkspacePackage = !inside.startsWith('..') && !inside.split('/').includes('node_modules');
    const target = isWorkspacePackage ? join(worktree, inside) : installed;
    await mkdir(dirname(join(into, name)), { recursive: true });
    await symlink(target, join(into, name));
  }
}

/** `fastify`, `@scope/name`; pnpm's own files and `.bin` start with a dot. */
async function dependencyNames(folder: string): Promise<string[]> {
  const names = (await entries(folder)).filter((name) => !name.startsWith('.'));
  const nested = await Promise.all(
    names.map(async (name) =>
      name.startsWith('@') ? (await entries(join(folder, name))).map((part) => join(name, part)) : [name],
    ),
  );
  return nested.flat();
}

async function entries(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
