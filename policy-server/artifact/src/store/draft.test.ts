import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'tap';
import { parseModuleLocation } from '../location.ts';
import { releasedName } from './draft-name.ts';
import { newOwner } from './draft-owner.ts';
import { Draft } from './draft.ts';
import { PolicyStore } from './store.ts';
import { put, tree } from './test/store-files.ts';

const HEX = 'a'.repeat(64);
const DIGEST = `sha256:${HEX}`;

test('a draft is no policy before it is committed, and leaves nothing when it is not', async (t) => {
  const root = join(t.testdir(), 'not', 'there', 'yet');
  const store = new PolicyStore(root);
  const location = parseModuleLocation('ghcr.io/a/p:v1');
  {
    await using draft = await store.create(location);
    await draft.write(Buffer.from('\0asm'));
    t.same(await store.list(), []);
    t.equal(tree(root).filter((path) => path.startsWith('registry')).length, 0);
  }
  t.notOk(existsSync(dirname(dirname(root))), 'FIX: a failure leaves no empty folders, not even that of the store');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    await draft.write(Buffer.from('\0asm'));
    await draft.write(Buffer.from('more'));
    t.equal(draft.length, 8);
    await draft.commit();
  }
  t.equal(readFileSync(store.pathOf(location), 'utf8'), '\0asmmore');
  t.same(tree(root), ['registry', 'registry/ghcr.io', 'registry/ghcr.io/a', 'registry/ghcr.io/a/p:v1']);
});

test('a released draft is continued by one, whoever that is', async (t) => {
  const root = t.testdir();
  const store = new PolicyStore(root);
  const location = parseModuleLocation('ghcr.io/a/p:v1');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    await draft.write(Buffer.from('half'));
    await draft.release();
  }
  t.same(readdirSync(join(root, '.policy-drafts')), [releasedName(`sha256-${HEX}`)]);
  {
    await using other = await store.create(location, { digest: `sha256:${'b'.repeat(64)}` });
    t.equal(other.length, 0, 'another digest is another file');
  }
  const drafts = await Promise.all(Array.from({ length: 6 }, () => store.create(location, { digest: DIGEST })));
  t.same(
    drafts.map(({ length }) => length).sort((a, b) => a - b),
    [0, 0, 0, 0, 0, 4],
  );
  const continued = drafts.find(({ length }) => length === 4);
  const pieces: Uint8Array[] = [];
  for await (const piece of continued?.content() ?? []) pieces.push(Uint8Array.from(piece));
  t.equal(Buffer.concat(pieces).toString(), 'half');
  for (const draft of drafts) await draft[Symbol.asyncDispose]();
  t.same(tree(root), []);
});

test('drafts of processes that ended are continued, those of others are left alone, forgotten ones removed', async (t) => {
  const root = t.testdir();
  const drafts = join(root, '.policy-drafts');
  const script = `import { newOwner } from ${JSON.stringify(join(import.meta.dirname, 'draft-owner.ts'))}; process.stdout.write(newOwner())`;
  const dead = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const elsewhere = newOwner().replace(/^[0-9a-f]{12}/, '0'.repeat(12));
  const sameNumberEarlier = newOwner().replace(/^([0-9a-f]+-\d+)-\d+/, '$1-1');
  const key = `sha256-${HEX}`;
  put(drafts, `.policy.${key}.${newOwner()}.part`, 'mine');
  put(drafts, `.policy.${key}.${elsewhere}.part`, 'of another machine');
  put(drafts, `.policy.unnamed.${dead}.part`, 'of nobody');
  put(drafts, `.policy.unnamed.${newOwner()}.part`, 'of somebody');
  put(drafts, `.policy.${key}.${dead}.part`, 'of the dead');
  const old = put(drafts, `.policy.sha256-${'c'.repeat(64)}.part`, 'forgotten');
  utimesSync(old, 0, 0);
  const store = new PolicyStore(root);
  const location = parseModuleLocation('ghcr.io/a/p:v1');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    t.equal(draft.length, 'of the dead'.length);
    await draft.commit();
  }
  t.equal(readFileSync(store.pathOf(location), 'utf8'), 'of the dead');
  const left = readdirSync(drafts).map((name) => readFileSync(join(drafts, name), 'utf8'));
  t.same(left.sort(), ['mine', 'of another machine', 'of somebody']);
  put(drafts, `.policy.${key}.${sameNumberEarlier}.part`, 'same number, other process');
  {
    await using draft = await store.create(location, { digest: DIGEST });
    t.equal(draft.length, 'same number, other process'.length);
  }
  const future = new PolicyStore(root, { nowMs: () => Date.now() + 25 * 60 * 60 * 1000 });
  await (await future.create(location))[Symbol.asyncDispose]();
  t.notOk(existsSync(drafts), 'after a day nobody waits for them');
});

test('a link in the place of a draft is not followed: what it leads to is neither read nor written', async (t) => {
  const folder = t.testdir();
  const [victim, key] = [join(folder, 'victim'), `sha256-${'a'.repeat(64)}`];
  writeFileSync(victim, 'precious');
  const claim = join(folder, releasedName(key));
  symlinkSync(victim, claim);
  {
    await using draft = await Draft.open({ target: join(folder, 'p'), folder, key }, claim);
    t.equal(draft.length, 0, 'begun anew');
    await draft.write(Buffer.from('module'));
    await draft.commit();
  }
  t.equal(readFileSync(victim, 'utf8'), 'precious');
  t.equal(readFileSync(join(folder, 'p'), 'utf8'), 'module');
  t.same(readdirSync(folder).sort(), ['p', 'victim'], 'and the link is gone');
});
