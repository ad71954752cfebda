import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { parseCommandLine } from './config/command-line.ts';
import { loadConfig } from './config/config.ts';
import { formatUrl, startServer } from './server.ts';
import { memoryLog } from './telemetry/memory-log.ts';
import { folder, moduleFile, review, rust, start } from './test/test-server.ts';

test('readiness has a listener of its own, opened last and plain', async (t) => {
  await using started = await start({});
  const url = formatUrl('http', started.server.readinessAddress);
  const ready = await fetch(`${url}/readiness`);
  t.equal(ready.status, 200);
  t.equal(await ready.text(), '');
  t.equal((await fetch(`${url}/readiness`, { method: 'HEAD' })).status, 200);
  const wrong = await fetch(`${url}/readiness`, { method: 'POST' });
  t.equal(wrong.status, 405);
  t.equal(wrong.headers.get('allow'), 'GET,HEAD');
  t.equal((await fetch(`${url}/healthz`)).status, 404);
  t.equal((await fetch(`${url}/validate/p`, { method: 'POST' })).status, 404);
});

test('policies, groups and members over HTTP', async (t) => {
  await using started = await start({
    deny: { module: rust, settings: { behaviour: 'reject', message: 'no', code: 403 }, message: 'ask SRE' },
    monitored: { module: rust, settings: { behaviour: 'reject' }, policyMode: 'monitor' },
    mutates: { module: rust, settings: { behaviour: 'mutate' } },
    group: {
      expression: 'yes() && !no()',
      message: 'the group says no',
      policies: { yes: { module: rust }, no: { module: rust, settings: { behaviour: 'reject', message: 'member' } } },
    },
  });
  t.match(await started.verdict('/validate/deny'), { allowed: false, status: { message: 'ask SRE', code: 403 } });
  t.match(await started.verdict('/audit/deny'), { allowed: false, status: { message: 'no', code: 403 } });
  t.match(await started.verdict('/validate/monitored'), { allowed: true, status: undefined });
  t.match(
    started.log.entries.find(({ message }) => message === 'policy evaluation (monitor mode)'),
    { fields: { policy_id: 'monitored', accepted: false, response_message: 'rejected by guest' } },
  );
  t.match(await started.verdict('/audit/monitored'), { allowed: false });
  t.match(await started.verdict('/validate/mutates'), {
    allowed: false,
    status: { message: /attempted to mutate the request/ },
  });
  t.match(await started.verdict('/validate/group'), { allowed: true });
  t.match(await started.verdict('/validate/group%2Fno'), { allowed: false, status: { message: 'member' } });
  t.equal((await started.post('/validate/group%2F')).status, 404);
  t.equal((await started.post('/validate/group/no')).status, 404);
});

test('the always-accepted namespace is exempt, if the policy exists', async (t) => {
  await using started = await start({ deny: { module: rust, settings: { behaviour: 'reject' } } }, [
    '--always-accept-admission-reviews-on-namespace=default',
  ]);
  t.match(await started.verdict('/validate/deny'), { allowed: true });
  t.match(await started.verdict('/audit/deny'), { allowed: true });
  t.match(await started.verdict('/validate/deny', review({ namespace: 'other' })), { allowed: false });
  t.match(await started.verdict('/validate/deny', review({ namespace: undefined })), { allowed: false });
  t.equal((await started.post('/validate/nope')).status, 404);
});

test('on closing: readiness turns false, requests in flight finish, connections end', async (t) => {
  const started = await start({ slow: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 1 } });
  const { server } = started;
  const readinessUrl = `${formatUrl('http', server.readinessAddress)}/readiness`;
  const inFlight = started.post('/validate/slow');
  await sleep(200);
  const closing = server.close({ delayMs: 400 });
  t.equal((await fetch(readinessUrl)).status, 503);
  const late = await started.post('/validate/nope');
  t.equal(late.status, 404, 'requests that still arrive are answered');
  t.equal(late.headers.get('connection'), 'close');
  t.equal((await inFlight).status, 200);
  await closing;
  await t.rejects(fetch(readinessUrl));
  await t.rejects(started.post('/validate/slow'));
  await server.close();
});

test('a request that outlives the grace period does not keep the server', async (t) => {
  const started = await start({ slow: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 60 } }, [
    '--shutdown-grace=0',
  ]);
  const inFlight = started.post('/validate/slow').then(
    () => 'answered',
    () => 'cut',
  );
  await sleep(200);
  const startMs = performance.now();
  await started.server.close();
  t.ok(performance.now() - startMs < 3000);
  t.equal(await inFlight, 'cut');
});

test('a busy port is an error that says so', async (t) => {
  await using first = await start({});
  const path = join(folder, 'empty.yml');
  await writeFile(path, '{}');
  const busy = `${first.server.apiAddress.port}`;
  for (const flags of [
    ['--port', busy],
    ['--port=0', '--readiness-probe-port', busy],
  ]) {
    const command = parseCommandLine(['--addr=127.0.0.1', `--policies=${path}`, ...flags], {});
    if (command.kind !== 'serve') throw new Error('expected to serve');
    const config = await loadConfig(command.flags, command.given, {
      cpus: 1,
      env: {},
      home: '/none',
    });
    await t.rejects(startServer(config, { log: memoryLog() }), {
      code: 'listen-failed',
      message: `Address already in use (os error 98): cannot listen on 127.0.0.1:${busy}`,
    });
  }
});

test('what policies say is logged; bodies and settings never are', async (t) => {
  await using started = await start({
    log: {
      module: rust,
      settings: {
        behaviour: 'host-call',
        namespace: 'tracing',
        operation: 'log',
        payload: '{"level":"warning","message":"hello\\nworld","line":7}',
        secret: 'tiger',
      },
    },
    curious: {
      module: rust,
      settings: { behaviour: 'host-call', namespace: 'oci', operation: 'v2/verify', payload: '{}' },
    },
    names: {
      module: rust,
      settings: {
        behaviour: 'host-call',
        namespace: 'net',
        operation: 'v1/dns_lookup_host',
        payload: '{"host":"localhost"}',
      },
      hostCapabilities: ['net/*'],
    },
  });
  await started.verdict('/validate/log');
  t.match(
    started.log.entries.find(({ target }) => target === 'policy_log'),
    { level: 'warn', message: 'hello\nworld', fields: { policy_id: 'log', data: '{"line":7}' } },
  );
  const denied = await started.verdict('/validate/curious');
  t.match(denied.status?.message, "Policy has not been granted access to the 'oci/v2/verify' host capability");
  t.match(
    started.log.entries.find(({ level }) => level === 'error'),
    {
      message: /host capability it doesn't have access to/,
      fields: { policy: 'curious', capability: 'oci/v2/verify', allowed_capabilities: '[]' },
    },
  );
  await started.verdict('/validate/names');
  t.notMatch(JSON.stringify(started.log.entries), /hunter2|tiger/);
});

test('a Rego policy whose data cannot be had refuses in plain words', async (t) => {
  const opa = await moduleFile('opa.wasm', await guestModule('rego-opa'));
  const policy = { module: opa, contextAwareResources: [{ apiVersion: 'v1', kind: 'Namespace' }] };
  await using started = await start({ policy, without: { module: opa } }, ['--ignore-kubernetes-connection-failure']);
  const message =
    'cannot perform a request via callback channel: Kubernetes lookups are not available because this host has no connection to a cluster';
  t.same((await started.verdict('/validate/policy')).status, { message, code: 500 });
  t.match(await started.verdict('/validate/without'), { allowed: true });
});

test('what policies print is logged with their id, before the line of their request', async (t) => {
  const go = await moduleFile('go.wasm', await guestModule('wasi-go'));
  const settings = { behaviour: 'log' };
  await using started = await start({
    console: { module: rust, settings },
    group: { expression: 'member()', message: 'no', policies: { member: { module: go, settings } } },
  });
  for (const name of ['console', 'group']) t.match(await started.verdict(`/validate/${name}`), { allowed: true });
  const { entries } = started.log;
  t.match(
    entries.filter(({ target }) => target === 'policy_log'),
    [
      { level: 'info', message: 'a line from the guest', fields: { policy_id: 'console', request_uid: 'u-1' } },
      { level: 'warn', message: 'stderr: a line from the guest', fields: { policy_id: 'group/member' } },
    ],
  );
  const evaluated = entries.findIndex(({ message }) => message === 'request evaluated');
  t.ok(entries.findIndex(({ target }) => target === 'policy_log') < evaluated, 'before the line of its request');
});
