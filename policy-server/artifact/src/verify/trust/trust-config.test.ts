import { test } from 'tap';
import { newSigstore } from '../evidence/test/test-sigstore.ts';
import { singleAttempt } from './single-attempt.ts';
import { trustRootFromConfig } from './trust-config.ts';

const sigstore = await newSigstore();
const trustedRoot = sigstore.trustedRoot();

test('the trust root of a file', async (t) => {
  const config = {
    mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
    trustedRoot,
    signingConfig: {},
  };
  const folder = t.testdir({
    'config.json': JSON.stringify(config),
    'snake.json': JSON.stringify({ trusted_root: trustedRoot }),
    'keys-only.json': JSON.stringify({ trustedRoot: { mediaType: 'x' } }),
  });
  const { certificateAuthorities, tlogs, ctlogs } = trustedRoot;
  const counts = {
    certificateAuthorities: { length: certificateAuthorities.length },
    tlogs: { length: tlogs.length },
    ctlogs: { length: ctlogs.length },
  };
  for (const name of ['config.json', 'snake.json']) {
    const { material } = await trustRootFromConfig(`${folder}/${name}`).trustRoot();
    t.match(material, counts, name);
  }
  const { material } = await trustRootFromConfig(`${folder}/keys-only.json`).trustRoot();
  t.match(material, { certificateAuthorities: [], tlogs: [] }, 'no authority: keys can still be judged');
});

test('a file that is no trust config is refused with the words operators know', async (t) => {
  const broken = structuredClone(trustedRoot) as unknown as { certificateAuthorities: { certChain?: unknown }[] };
  for (const authority of broken.certificateAuthorities) delete authority.certChain;
  const unreadable = JSON.stringify({ trustedRoot }).replace(/"rawBytes":"[^"]{40}/g, '"rawBytes":"AAAA');
  const folder = t.testdir({
    'missing.json': '{"signingConfig":{}}',
    'null.json': '{"trustedRoot":null}',
    'number.json': '{"trustedRoot":7}',
    'roots.json': '{"trustedRoot":[]}',
    'text.json': '{',
    'list.json': '[]',
    'chainless.json': JSON.stringify({ trustedRoot: broken }),
    'keyless.json': '{"trustedRoot":{"tlogs":[{"baseUrl":"https://x"}]}}',
    'unreadable.json': unreadable,
    'latin1.json': Buffer.from([0x22, 0xe9, 0x22]),
  });
  const cases: Record<string, RegExp> = {
    'missing.json': /^Sigstore PKI file .*missing\.json missing trusted_root field/,
    'null.json': /^Sigstore PKI file .* missing trusted_root field/,
    'text.json': /^could not parse Sigstore trust config file .*text\.json: /,
    'list.json': /^could not parse Sigstore trust config file .*: expected a JSON object$/,
    'number.json': /: trustedRoot: expected a JSON object$/,
    'roots.json': /: trustedRoot: expected a JSON object$/,
    'chainless.json': /: a certificate authority has no certificates$/,
    'keyless.json': /: a log has no key, or no id$/,
    'unreadable.json': /^could not parse Sigstore trust config file/,
    'latin1.json': /^could not parse Sigstore trust config file/,
    'absent.json':
      /^could not read Sigstore PKI file .*absent\.json: Os \{ code: 2, kind: NotFound, message: "No such file or directory" \}$/,
    '.': /^could not read Sigstore PKI file .*: cannot read '.*': it is a directory$/,
  };
  for (const [name, message] of Object.entries(cases)) {
    const failure = { name: 'ArtifactError', code: 'trust-root-unavailable', message };
    await t.rejects(trustRootFromConfig(`${folder}/${name}`).trustRoot(), failure, name);
  }
});

test('a trust root is sought once, and after a failure again ten seconds later', async (t) => {
  let nowMs = 0;
  let attempts = 0;
  let fails = true;
  const seek = singleAttempt(
    async () => {
      attempts++;
      await Promise.resolve();
      if (fails) throw new Error(`attempt ${attempts}`);
      return attempts;
    },
    () => nowMs,
  );
  const both = await Promise.allSettled([seek(), seek()]);
  t.match(
    both,
    [{ reason: { message: 'attempt 1' } }, { reason: { message: 'attempt 1' } }],
    'callers share an attempt',
  );
  nowMs = 9999;
  await t.rejects(seek(), { message: 'attempt 1' }, 'too early');
  nowMs = 10_000;
  await t.rejects(seek(), { message: 'attempt 2' });
  fails = false;
  nowMs = 20_000;
  t.equal(await seek(), 3);
  fails = true;
  nowMs = 1_000_000;
  t.equal(await seek(), 3, 'a success is kept');
});
