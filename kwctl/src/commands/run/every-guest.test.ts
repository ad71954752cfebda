import { GUEST_CASES, GUEST_NAMES } from '@portcullis/testkit';
import { test } from 'tap';
import { folder, forEachTwoAtOnce, kwctl } from '../../testing/kwctl-process.ts';

test('every guest: accept, reject, mutate, settings-invalid, trap, timeout', async (t) => {
  const cwd = await folder(t, ...GUEST_NAMES);
  await forEachTwoAtOnce(GUEST_CASES, async ({ guest, behaviour, settings, expected }) => {
    const args = [
      'run',
      '-r',
      'review.json',
      '--settings-json',
      JSON.stringify(settings),
      '--timeout',
      '2',
      `${guest}.wasm`,
    ];
    const { code, stdout, stderr } = await kwctl(args, { cwd });
    const label = `${guest}: ${behaviour}`;
    if (expected.kind === 'settings-invalid') {
      t.match({ code, stdout }, { code: 1, stdout: '' }, label);
      t.ok(stderr.startsWith(`Error: Provided settings are not valid: ${expected.message}`), `${label}: ${stderr}`);
      return;
    }
    t.equal(code, 0, `${label}: ${stderr}`);
    const answer = JSON.parse(stdout) as {
      allowed: boolean;
      patch?: string;
      status?: { message?: string; code?: number };
    };
    t.equal(stdout.indexOf('\n'), stdout.length - 1, `${label}: one line`);
    t.equal(answer.allowed, expected.allowed, label);
    if (expected.message !== undefined) t.match(answer.status?.message, expected.message, label);
    t.equal(answer.status?.code, expected.code, label);
    if (expected.patch === undefined) t.notMatch(stdout + stderr, /patch/, `${label}: says nothing of patches`);
    else t.equal(Buffer.from(answer.patch ?? '', 'base64').toString(), expected.patch, label);
  });
});
