import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { generatedModule } from './fixtures/generated-module.ts';
import { OPTIONS } from './fixtures/linked-instance.ts';
import { linkModule } from './link.ts';
import { LINK_VERSION, linkOnce, type LinkOnceOptions } from './link-once.ts';
import { linkOnThread } from './link-thread.ts';

const SHA256 = 'a'.repeat(64);

test('a module is linked once per digest, options and version', async (t) => {
  const cacheDir = t.testdir({});
  const options: LinkOnceOptions = { ...OPTIONS, sha256: SHA256, cacheDir };
  const bytes = await watModule('(module (memory 1) (func (export "f") (loop (br 0))))');
  const first = await linkOnce(bytes, options);
  t.same(first, linkModule(bytes, OPTIONS));
  const folder = join(cacheDir, 'linked');
  const [file = ''] = await readdir(folder);
  t.equal((await stat(folder)).mode & 0o777, 0o700, 'for its owner alone');
  t.equal((await stat(join(folder, file))).mode & 0o777, 0o600);

  const other = await watModule('(module)');
  t.same(await linkOnce(other, options), first, 'found by its digest');
  t.same(await linkOnce(other, { ...options, sha256: 'b'.repeat(64) }), linkModule(other, OPTIONS));
  t.equal((await linkOnce(bytes, { ...options, maxPages: 7 })).plan.memory?.maximumPages, 7);
  t.same((await linkOnce(bytes, { ...options, memory: 'own' })).plan.image, {
    covered: false,
    reason: 'its memory was left to it',
  });
  t.equal((await readdir(folder)).length, 4);
});

test('a damaged file is not used, and a folder that cannot be written costs nothing but time', async (t) => {
  const cacheDir = t.testdir({});
  const options: LinkOnceOptions = { ...OPTIONS, sha256: SHA256, cacheDir };
  const bytes = await watModule('(module (memory 1) (func (export "f") (loop (br 0))))');
  const first = await linkOnce(bytes, options);
  const folder = join(cacheDir, 'linked');
  const [file = ''] = await readdir(folder);
  const path = join(folder, file);
  const intact = await readFile(path);
  const flipped = Uint8Array.from(intact);
  flipped[intact.length - 5] = (flipped[intact.length - 5] ?? 0) ^ 1;
  const damages: (() => Promise<void>)[] = [
    () => truncate(path, intact.length - 1),
    () => truncate(path, 0),
    () => appendFile(path, 'x'),
    () => writeFile(path, flipped),
    () => writeFile(path, intact.subarray(1)),
    () => writeFile(path, 'no line at all'),
  ];
  const other = await watModule('(module)');
  for (const damage of damages) {
    await writeFile(path, intact);
    await damage();
    t.same(await linkOnce(other, options), linkModule(other, OPTIONS), 'not used');
  }
  await writeFile(path, intact);
  t.same(await linkOnce(other, options), first, 'used again');
  t.same(await readdir(folder), [file], 'no temporary files stay behind');
  t.same(await linkOnce(bytes, { ...options, cacheDir: path }), first, 'a file in place of the folder');
  t.same(await linkOnce(bytes, { ...options, cacheDir: undefined }), first);
});

test('what others could have put into the cache is not used', async (t) => {
  const cacheDir = t.testdir({});
  const options: LinkOnceOptions = { ...OPTIONS, sha256: SHA256, cacheDir };
  const planted = await linkOnce(await watModule('(module (memory 1) (func (export "planted")))'), options);
  const folder = join(cacheDir, 'linked');
  const [file = ''] = await readdir(folder);
  const path = join(folder, file);
  const other = await watModule('(module)');
  const expected = linkModule(other, OPTIONS);

  await chmod(folder, 0o777);
  t.same(await linkOnce(other, options), expected, 'a folder everybody may write to');
  t.same(await linkOnce(other, { ...options, sha256: 'b'.repeat(64) }), expected);
  t.same(await readdir(folder), [file], 'nor is anything written there');
  await chmod(folder, 0o770);
  t.same(await linkOnce(other, options), planted, 'a group is chosen by the owner of the folder');
  if (process.geteuid?.() === 0) {
    await chown(folder, 12_345, 12_345);
    t.same(await linkOnce(other, options), expected, "another user's folder");
    await chown(folder, 0, 0);
  }

  const elsewhere = join(cacheDir, 'elsewhere');
  await rename(path, elsewhere);
  for (const target of [elsewhere, '/dev/zero', path]) {
    await symlink(target, path);
    t.same(await linkOnce(other, options), expected, `a link to ${target.slice(0, 9)}`);
    await rm(path);
  }
  await mkdir(path);
  t.same(await linkOnce(other, options), expected, 'a folder in place of the file');
  await rm(path, { recursive: true });
  execFileSync('mkfifo', [path]);
  t.same(await linkOnce(other, options), expected, 'a pipe nobody writes to');
  t.same(await linkOnce(await watModule('(module (memory 2))'), options), expected, 'until a file takes its place');
});

test('two processes that write the same at the same time leave it whole, and a full disk leaves nothing', async (t) => {
  const cacheDir = t.testdir({});
  const bytes = await watModule('(module (memory 1) (func (export "f") (loop (br 0))))');
  const options: LinkOnceOptions = { ...OPTIONS, sha256: SHA256, cacheDir };
  const results = await Promise.all(Array.from({ length: 16 }, () => linkOnce(bytes, options)));
  t.equal((await readdir(join(cacheDir, 'linked'))).length, 1);
  t.same(
    results,
    results.map(() => linkModule(bytes, OPTIONS)),
  );
  t.same(await linkOnce(await watModule('(module)'), options), results[0]);

  // Files of more than 512 bytes are cut short, as on a disk that fills up.
  const full = join(cacheDir, 'full');
  const program = `import { artefactCache } from ${JSON.stringify(new URL('../artefact-cache.ts', import.meta.url).href)};
    await artefactCache({ folder: ${JSON.stringify(full)}, format: 'f', maxBytes: 9999 }).write('key', [new Uint8Array(5000)]);`;
  const command = 'trap "" XFSZ; ulimit -f 1; unset NODE_OPTIONS; exec "$0" --input-type=module -e "$1"';
  // What the test runner would load there ends the process at that signal.
  execFileSync('sh', ['-c', command, process.execPath, program]);
  t.same(await readdir(full), []);
});

test('large modules are linked on a thread of their own, with the same result', async (t) => {
  const bytes = await guestModule('wasi-go');
  const [one, two] = await Promise.all([linkOnThread(bytes, OPTIONS), linkOnThread(bytes, OPTIONS)]);
  const here = linkModule(bytes, OPTIONS);
  t.ok(Buffer.from(here.bytes).equals(one.bytes) && Buffer.from(here.bytes).equals(two.bytes));
  t.same(one.plan, here.plan);
  t.ok(bytes.length > 0, 'the module itself stays here');
});

test('what fails on the thread is told like anything else', async (t) => {
  await t.rejects(linkOnThread(await watModule('(module (memory 11))'), { ...OPTIONS, maxPages: 10 }), {
    name: 'EvaluationError',
    code: 'module-invalid',
    message: 'the module needs 11 pages of memory at start, at most 10 are allowed',
  });
  await t.rejects(linkOnThread(Uint8Array.of(1, 2, 3), OPTIONS), { code: 'module-invalid', message: /malformed/ });
  await t.rejects(linkOnThread(await guestModule('wasi-go'), OPTIONS, { timeoutMs: 1 }), {
    code: 'module-invalid',
    message: 'cannot compile the module: rewriting it failed: it took longer than 1 ms',
  });
  t.ok(
    WebAssembly.validate((await linkOnThread(await watModule('(module)'), OPTIONS)).bytes),
    'the next one is served',
  );
});

test('the version is raised whenever the same module is linked to something else', async (t) => {
  const hash = createHash('sha256');
  for (let seed = 1; seed <= 30; seed++) {
    const { bytes, plan } = linkModule(generatedModule(seed).bytes, OPTIONS);
    hash.update(bytes).update(JSON.stringify(plan));
  }
  t.equal(
    `${LINK_VERSION}: ${hash.digest('hex').slice(0, 16)}`,
    '6: 51f55c4e0a778620',
    'caches hold what an earlier version made: raise LINK_VERSION, and write here what it makes now',
  );
});
