import { execFile } from 'node:child_process';
import { lstat, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'tap';
import { mergeBase } from './base.ts';
import { judge } from './verdict.ts';
import { checkOut, git } from './worktree.ts';

const CHECKOUT = join(import.meta.dirname, '../../..');
const run = promisify(execFile);
const isRepository = await git(CHECKOUT, 'rev-parse', 'HEAD').then(
  () => true,
  () => false,
);

test(
  'a worktree runs its own sources with the installed dependencies, and leaves nothing behind',
  { skip: !isRepository },
  async (t) => {
    const worktree = await checkOut(CHECKOUT, 'HEAD');
    const { folder } = worktree;
    const server = join(folder, 'policy-server/server/node_modules');
    t.equal(await realpath(join(server, '@portcullis/evaluator')), join(folder, 'policy-server/evaluator'));
    t.match(await realpath(join(server, 'fastify')), await realpath(join(CHECKOUT, 'node_modules')));
    await worktree[Symbol.asyncDispose]();
    await t.rejects(lstat(folder));
    t.notMatch(await git(CHECKOUT, 'worktree', 'list'), folder);
  },
);

test('the base is where the branch began, on the main branch what was there before the changes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-base-test-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@t.test', '-c', 'commit.gpgsign=false'];
  const commit = async (text: string): Promise<string> => {
    await writeFile(join(folder, 'file'), text);
    await git(folder, 'add', 'file');
    await run('git', ['-C', folder, ...identity, 'commit', '-q', '-m', text]);
    return git(folder, 'rev-parse', 'HEAD');
  };
  await git(folder, 'init', '-q', '-b', 'main');
  const first = await commit('first');
  const second = await commit('second');
  t.match(await mergeBase(folder, 'main'), { commit: first });
  await writeFile(join(folder, 'file'), 'changed');
  t.match(await mergeBase(folder, 'main'), { commit: second, why: /changes/ });
  await git(folder, 'checkout', '-q', '-b', 'branch');
  await commit('on the branch');
  t.match(await mergeBase(folder, 'main'), { commit: second, why: 'merge base with main' });
  await t.rejects(mergeBase(folder, 'nowhere'), { message: /no commit nowhere to compare with/ });
});

test('worse is slower where lower is better, and less where higher is; the median round decides', async (t) => {
  const time = { name: 'time', unit: 'ms', better: 'lower' } as const;
  const rate = { name: 'rate', unit: '/s', better: 'higher' } as const;
  t.equal(Math.round(judge(time, [10, 10, 10], [12, 12, 100]).worse * 100), 20);
  t.equal(Math.round(judge(time, [10, 20, 40], [5, 10, 20]).worse * 100), -50);
  t.equal(Math.round(judge(rate, [100, 100, 100], [80, 80, 80]).worse * 100), 25);
  t.equal(Math.round(judge(rate, [100, 100, 100], [125, 125, 1]).worse * 100), -20);
});
