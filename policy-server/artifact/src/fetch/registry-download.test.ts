import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ProgrammableRegistry } from '@portcullis/testkit';
import { test } from 'tap';
import { parseModuleLocation } from '../location.ts';
import { moduleOf, openTestFetcher, serve, sha256 } from './test/test-fetcher.ts';

const V1 = moduleOf(1);

test('one layer under many names is downloaded once', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const names = ['a/p:v1', 'a/p:v2', 'a/p:latest', 'b/q:v1'];
  for (const name of names) {
    const [repository = '', tag = ''] = name.split(':');
    serve(registry, repository, tag, [{ bytes: V1 }]);
  }
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const modules = await Promise.all(
    names.map((name) => given.fetcher.load(parseModuleLocation(`${registry.host}/${name}`))),
  );
  t.same(new Set(modules.map((module) => module.sha256)), new Set([sha256(V1)]));
  t.equal(registry.count('GET', new RegExp(sha256(V1))), 1);
  const inodes = (await given.store.list()).map(({ path }) => statSync(path).ino);
  t.equal(new Set(inodes).size, names.length, 'as files of their own: who writes one changes no other');
});

test('what lies in the place of a policy and is no file is replaced, and never waited for', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  serve(registry, 'a/p', 'latest', [{ bytes: V1 }]);
  await using given = openTestFetcher(t.testdir(), [registry.host]);
  const location = parseModuleLocation(`${registry.host}/a/p`);
  const path = given.store.pathOf(location);
  mkdirSync(dirname(path), { recursive: true });
  execFileSync('mkfifo', [path]);
  t.equal((await given.fetcher.load(location)).sha256, sha256(V1));
  t.ok(lstatSync(path).isFile());
});
