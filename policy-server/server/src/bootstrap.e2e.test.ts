import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { formatPolicyTable } from './policy-table.ts';
import { folder, moduleFile, rust, start, startFailure } from './test/test-server.ts';

test('K3 K4 policies on one content share one module, whatever its locations', async (t) => {
  const copy = await moduleFile('copy.wasm', await guestModule('wapc-rust'));
  const policies: Record<string, unknown> = {};
  for (let index = 0; index < 50; index++) {
    policies[`p${index}`] = {
      module: index % 2 ? rust : copy,
      settings: { behaviour: 'reject', message: `m${index}` },
    };
  }
  await using started = await start(policies);
  t.ok(started.log.entries.some(({ message }) => message === '50 policies, 1 unique modules'));
  t.match(await started.verdict('/validate/p7'), { status: { message: 'm7' } });
  t.match(await started.verdict('/validate/p42'), { status: { message: 'm42' } }, 'settings stay separate');
  t.equal(new Set(started.server.policies.map(({ sha256 }) => sha256)).size, 1);
});

test('one broken policy never takes the others down', async (t) => {
  const bare = await moduleFile('bare.wasm', await watModule('(module)'));
  const policies = {
    good: { module: rust },
    missing: { module: pathToFileURL(join(folder, 'none.wasm')).href, policyMode: 'monitor', message: 'custom' },
    registry: { module: '127.0.0.1:1/acme/x:v1' },
    unannotated: { module: bare },
    settings: { module: rust, settings: { valid: false, message: 'not like this' } },
    hangs: { module: rust, settings: { behaviour: 'loop-settings' }, timeoutEvalSeconds: 1 },
    group: {
      expression: 'good() || bad()',
      message: 'x',
      policies: { good: { module: rust }, bad: { module: 'ftp://x/y' } },
    },
  };
  await t.test('without --continue-on-errors all of them are named before the start is given up', async (t) => {
    const { message, details, code } = await startFailure(policies);
    t.equal(code, 'policies-broken');
    t.equal(message, '6 policies cannot be served, listed above');
    t.match(details, [
      /^bootstrap failure: missing: .*No such file or directory \(os error 2\)/,
      /^Error while downloading policy 'registry' from 127\.0\.0\.1:1\/acme\/x:v1: Fail to interact with OCI registry: error sending request for url \(https:/,
      /^bootstrap failure: unannotated: Policy is missing protocol version, which is required for KubewardenWapc execution mode/,
      /^policy 'settings': Policy settings are invalid: not like this$/,
      /^policy 'hangs': Policy settings are invalid: /,
      /^Error while downloading policy 'group\/#bad' from ftp:\/\/x\/y: unknown scheme: ftp – /,
    ]);
  });
  await t.test('with it they are answered 200, allowed: false, 500, whatever their mode and message', async (t) => {
    await using started = await start(policies, ['--continue-on-errors']);
    t.match(await started.verdict('/validate/good'), { allowed: true });
    t.match(await started.verdict('/validate/missing'), {
      allowed: false,
      status: { code: 500, message: /^bootstrap failure: missing: / },
    });
    t.match(await started.verdict('/validate/settings'), {
      allowed: false,
      status: { code: 500, message: 'Policy settings are invalid: not like this' },
    });
    t.match(await started.verdict('/audit/registry'), { allowed: false, status: { code: 500 } });
    t.match(
      await started.verdict('/validate/group'),
      { allowed: false, status: { code: 500, message: /^bootstrap failure: group\/bad: / } },
      'FIX: a group with a broken member says so',
    );
    const table = formatPolicyTable(started.server.policies);
    t.match(table, /^POLICY +MODE +RUNTIME +MODULE +SIZE +INSTANCES +READY\n/);
    t.match(table, /\ngood +protect +kubewarden-wapc +[0-9a-f]{12} +[\d.]+ [kM]B +reset +yes\n/);
    t.match(table, /\nmissing +monitor +– +– +– +– +no: bootstrap failure: missing: /);
    t.match(
      table,
      /\n {2}group\/good +protect +kubewarden-wapc +[0-9a-f]{12} +[\d.]+ [kM]B +– +no: its group cannot be served\n/,
    );
  });
});

test('FIX: a bad group expression is found at load, with its place', async (t) => {
  const policies = {
    g: { expression: 'a() ||', message: 'x', policies: { a: { module: rust } } },
    good: { module: rust },
  };
  const { message } = await startFailure(policies);
  t.match(
    message,
    /^error while loading policies from ".*": .*policies-[^:]*\.yml:1:20: policy group 'g': key 'expression': Syntax error: /,
  );
  await using started = await start(policies, ['--continue-on-errors']);
  t.match(await started.verdict('/validate/g'), {
    allowed: false,
    status: { code: 500, message: /^error evaluating policy group expression: Syntax error: / },
  });
  t.match(await started.verdict('/validate/good'), { allowed: true });
  t.match(
    started.log.entries.find(({ level }) => level === 'warn'),
    { message: /\.yml:1:20: policy group 'g': key 'expression': Syntax error: / },
  );
});
