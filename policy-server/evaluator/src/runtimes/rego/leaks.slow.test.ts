import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { evaluateOnce, prepareOn, testThread } from '../guest/test-evaluation.ts';
import { regoWat } from './fixtures/rego-wat.ts';
import { regoRuntime } from './prepare.ts';

/** What the process takes when what dropped instances held has been given back. */
async function collectedMB(): Promise<number> {
  setFlagsFromString('--expose-gc');
  for (let round = 0; round < 3; round += 1) {
    runInNewContext('gc')();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage.rss() / 1e6;
}

test('K7: policies that leak do not hurt', async (t) => {
  // Answers with the size it had, and leaves another one: for long requests 1 MiB more, beyond the room, for others one page.
  const evaluate = `(local $before i32) (local $grown i32)
    (local.set $before (memory.size))
    (local.set $grown (select (i32.const 16) (i32.const 1) (i32.gt_u (local.get 4) (i32.const 200))))
    (if (i32.eq (memory.grow (local.get $grown)) (i32.const -1)) (then (unreachable)))
    (memory.fill (i32.shl (local.get $before) (i32.const 16)) (i32.const 1) (i32.shl (local.get $grown) (i32.const 16)))
    (i32.store8 (i32.const 1163) (i32.add (i32.const 48) (local.get $before)))
    (i32.const 1152)`;
  const thread = { ...testThread({ memoryPages: 100 }), instancePool: { maxBytes: 16 * 1024 * 1024 } };
  const growing = await prepareOn(thread, regoRuntime, 'opa', await regoWat({ evaluate }));
  const loading = await prepareOn(thread, regoRuntime, 'opa', await guestModule('rego-opa'));
  const answers = new Set<string>();
  const leak = async (firstRound: number, rounds: number): Promise<void> => {
    for (let round = firstRound; round < firstRound + rounds; round += 1) {
      answers.add(await evaluateOnce(growing));
      answers.add(await evaluateOnce(growing, { request: `"${'x'.repeat(500)}"` }));
      // Two evaluations in a row over the same long data: there is an image behind its reading then.
      const settings = `{"round":${round >> 3},"pad":"${'x'.repeat(200_000)}"}`;
      if (round % 8 < 2) t.match(await evaluateOnce(loading, { settings }), /true/);
    }
  };
  await leak(0, 80);
  const beforeMB = await collectedMB();
  await leak(80, 240);
  const grownMB = (await collectedMB()) - beforeMB;
  t.ok(grownMB < 64, `${grownMB} MB more after 240 MB of growth and 30 images of data`);
  t.same([...answers], ['[{"result":1rue}]'], 'none ever has more than at first');
  t.same([growing.instances, loading.instances], [{ kind: 'reset' }, { kind: 'reset' }]);
});
