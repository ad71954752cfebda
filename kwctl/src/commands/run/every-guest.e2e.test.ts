import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GUEST_CASES, GUEST_NAMES, type GuestCase } from '@portcullis/testkit';
import { test } from 'tap';
import { folder, forEachTwoAtOnce, kwctl, line } from '../../test/kwctl-process.ts';

interface Answer {
  allowed: boolean;
  patch?: string;
  status?: { message?: string; code?: number };
}

/** One policy resource; the endless guest is cut short, the others may take their time on a busy machine. */
function resource(module: string, { behaviour, settings }: GuestCase): string {
  const limit = behaviour === 'timeout' ? { timeoutEvalSeconds: 1 } : {};
  return JSON.stringify({
    apiVersion: 'policies.kubewarden.io/v1',
    kind: 'ClusterAdmissionPolicy',
    metadata: { name: behaviour },
    spec: { module, mutating: true, settings, ...limit },
  });
}

test('every guest: accept, reject, mutate, trap, timeout, and settings that are refused', async (t) => {
  const cwd = await folder(t, ...GUEST_NAMES);
  await forEachTwoAtOnce(GUEST_NAMES, async (guest) => {
    const alone = await kwctl(['run', '-r', 'review.json', `${guest}.wasm`], { cwd });
    t.same(alone, { code: 0, stdout: line(true), stderr: '' }, `${guest}: accepts, and says nothing else`);
    t.notMatch(alone.stdout + alone.stderr, /patch/, `${guest}: nothing of patches`);

    const cases = GUEST_CASES.filter((one) => one.guest === guest);
    const verdicts = cases.filter(({ expected }) => expected.kind === 'verdict');
    const module = pathToFileURL(join(cwd, `${guest}.wasm`)).href;
    writeFileSync(join(cwd, `${guest}.yaml`), verdicts.map((one) => resource(module, one)).join('\n---\n'));
    const { code, stdout, stderr } = await kwctl(['run', '-r', 'review.json', `${guest}.yaml`], { cwd });
    t.equal(code, 0, `${guest}: ${stderr}`);
    const lines = stdout.split('\n');
    t.equal(lines.length, verdicts.length + 1, `${guest}: one line a policy`);
    for (const [index, { behaviour, expected }] of verdicts.entries()) {
      if (expected.kind !== 'verdict') continue;
      const label = `${guest}: ${behaviour}`;
      const { allowed, patch, status } = JSON.parse(lines[index] ?? '') as Answer;
      t.equal(allowed, expected.allowed, label);
      if (expected.message !== undefined) t.match(status?.message, expected.message, label);
      t.equal(status?.code, expected.code, label);
      t.equal(patch && Buffer.from(patch, 'base64').toString(), expected.patch, label);
    }

    for (const { settings, expected } of cases) {
      if (expected.kind !== 'settings-invalid') continue;
      const args = ['run', '-r', 'review.json', '--settings-json', JSON.stringify(settings), `${guest}.wasm`];
      const refused = await kwctl(args, { cwd });
      t.match(refused, { code: 1, stdout: '' }, `${guest}: settings`);
      t.ok(refused.stderr.startsWith(`Error: Provided settings are not valid: ${expected.message}`), refused.stderr);
    }
  });
});
