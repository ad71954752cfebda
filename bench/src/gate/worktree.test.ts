import { lstat, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'tap';
import { checkOut, git } from './worktree.ts';

const CHECKOUT = join(import.meta.dirname, '../../..');

test('a worktree runs its own sources with the installed dependencies, and leaves nothing behind', async (t) => {
  const worktree = await checkOut(CHECKOUT, 'HEAD');
  const { folder } = worktree;
  const server = join(folder, 'policy-server/server/node_modules');
  t.equal(await realpath(join(server, '@portcullis/evaluator')), join(folder, 'policy-server/evaluator'));
  t.match(await realpath(join(server, 'fastify')), await realpath(join(CHECKOUT, 'node_modules')));
  await worktree[Symbol.asyncDispose]();
  await t.rejects(lstat(folder));
  t.notMatch(await git(CHECKOUT, 'worktree', 'list'), folder);
});
