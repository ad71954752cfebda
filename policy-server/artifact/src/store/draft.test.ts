import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { releasedName } from './draft-name.ts';
import { Draft } from './draft.ts';

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
