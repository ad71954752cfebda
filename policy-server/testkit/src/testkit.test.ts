import { test } from 'tap';
import { readMetadata } from '@portcullis/protocol';
import {
  GUEST_NAMES,
  admissionReview,
  committedGuest,
  committedHashes,
  guestModule,
  guestSourceHash,
} from './index.ts';
import { BORDERS, borderViolations, textViolations } from './run/borders.ts';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

test('every guest carries metadata with its execution mode', async (t) => {
  for (const name of GUEST_NAMES) {
    const metadata = readMetadata(await guestModule(name));
    t.ok(metadata?.executionMode, name);
  }
});

test('committed guests were built from the sources beside them and stay within 1 MiB', async (t) => {
  for (const [name, hash] of Object.entries(await committedHashes())) {
    t.equal(
      hash,
      await guestSourceHash(name as (typeof GUEST_NAMES)[number]),
      `${name}: run prepare.ts --commit-guests`,
    );
    t.ok((await committedGuest(name as (typeof GUEST_NAMES)[number])).length > 0, name);
  }
});

test('recorded admission reviews are what an API server sends', async (t) => {
  const review = JSON.parse(Buffer.from(await admissionReview('widget-create')).toString());
  t.equal(review.kind, 'AdmissionReview');
  t.match(Buffer.from(await admissionReview('widget-create')).toString(), '9007199254740993');
  t.ok((await admissionReview('large-create')).length > 1_500_000);
});

test('no package crosses its border', async (t) => {
  t.same(await borderViolations(ROOT), []);
});

test('a border is noticed when it is crossed', async (t) => {
  const evaluator = BORDERS['policy-server/evaluator']!;
  const protocol = BORDERS['sdk/protocol']!;
  t.same(textViolations("import { x } from '@portcullis/capabilities';", false, evaluator), [
    'must not import @portcullis/capabilities',
  ]);
  t.same(textViolations("export { x } from '@portcullis/kwctl';", true, evaluator), [
    'must not import @portcullis/kwctl',
  ]);
  t.same(textViolations(`const x = await import('${'@portcullis'}/artifact');`, false, evaluator), [
    'must not import @portcullis/artifact',
  ]);
  t.same(textViolations("import { x } from '@portcullis/protocol/src/json.ts';", false, evaluator), [
    'must import the root of @portcullis/protocol, not @portcullis/protocol/src/json.ts',
  ]);
  t.same(textViolations("import { readFile } from 'node:fs';", false, protocol), ['must not import node:fs']);
  t.same(textViolations('const home = process.env.HOME;', false, evaluator), ['must not read process.env']);
  t.same(textViolations("import { x } from '@portcullis/protocol';", false, evaluator), []);
});
