import { mkdtemp, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { parseCommandLine } from './config/command-line.ts';
import { loadConfig } from './config/config.ts';
import { ServerError } from './errors.ts';
import { formatPolicyTable } from './policy-table.ts';
import { formatUrl, startServer, type RunningServer } from './server.ts';
import { memoryLog, type MemoryLog } from './telemetry/memory-log.ts';

const folder = await mkdtemp(join(tmpdir(), 'server-'));

async function moduleFile(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(join(folder, name), bytes);
  return pathToFileURL(join(folder, name)).href;
}

const rust = await moduleFile('rust.wasm', await guestModule('wapc-rust'));

const POD = { kind: 'Pod', metadata: { labels: {} }, spec: { token: 'hunter2' } };

function review(change: Record<string, unknown> = {}): string {
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const request = { uid: 'u-1', kind, resource, operation: 'CREATE', userInfo: {}, namespace: 'default', object: POD };
  return JSON.stringify({ request: { ...request, ...change } });
}

interface Started extends AsyncDisposable {
  readonly server: RunningServer;
  readonly log: MemoryLog;
  readonly url: string;
  post(path: string, body?: string): Promise<{ status: number; headers: Headers; text: string }>;
  verdict(path: string, body?: string): Promise<{ allowed: boolean; status?: { message?: string; code?: number } }>;
}

async function start(policies: Record<string, unknown>, flags: readonly string[] = []): Promise<Started> {
  const path = join(folder, `policies-${performance.now()}.yml`);
  await writeFile(path, JSON.stringify(policies));
  const listen = ['--addr=127.0.0.1', '--port=0', '--readiness-probe-port=0', `--policies=${path}`];
  const command = parseCommandLine([...listen, ...flags], {});
  if (command.kind !== 'serve') throw new Error('expected to serve');
  const options = { cpus: 2, inPod: false };
  const log = memoryLog();
  const server = await startServer(await loadConfig(command.flags, command.given, options), { log });
  const url = formatUrl(server.scheme, server.apiAddress);
  const post: Started['post'] = async (target, body = review()) => {
    const answer = await fetch(url + target, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  return {
    server,
    log,
    url,
    post,
    verdict: async (target, body) => JSON.parse((await post(target, body)).text).response,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

async function startFailure(policies: Record<string, unknown>, flags: readonly string[] = []): Promise<ServerError> {
  const error: unknown = await start(policies, flags).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ServerError) return error;
  throw new Error(`expected a ServerError, got ${String(error)}`);
}

/** Sends bytes as they are and returns everything that comes back until the server closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(text, 'latin1')));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

test('every route, status, header and text of the API', async (t) => {
  await using started = await start({ p: { module: rust } }, ['--max-body-bytes=2000']);
  const { server, url } = started;
  const call = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
    fetch(url + path, { method, headers, ...(body !== undefined && { body }) });
  const json = { 'content-type': 'application/json' };

  await t.test('what does not route is 404 without a body', async (t) => {
    const paths = [
      '/',
      '/validate',
      '/validate/',
      '/validate//p',
      '/validate/p/',
      '/validate/p/q',
      '/metrics',
      '/readiness',
      '/VALIDATE/p',
      '/%76alidate/p',
      '/debug/pprof/cpu',
    ];
    for (const path of paths) {
      const answer = await call('POST', path, json, review());
      t.equal(answer.status, 404, path);
      t.equal(await answer.text(), '', path);
      t.equal(answer.headers.get('content-type'), null);
    }
  });

  await t.test('another method is 405 with allow: POST', async (t) => {
    for (const route of ['validate', 'audit', 'validate_raw']) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH']) {
        const answer = await call(method, `/${route}/p?timeout=1s`);
        t.equal(answer.status, 405, `${method} ${route}`);
        t.equal(answer.headers.get('allow'), 'POST');
        t.equal(await answer.text(), '');
      }
    }
  });

  await t.test('verdicts are 200 and application/json', async (t) => {
    const answer = await call(
      'POST',
      '/validate/p?timeout=10s',
      { 'content-type': 'Application/JSON; charset=utf-16' },
      review(),
    );
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('content-type'), 'application/json');
    t.equal(
      await answer.text(),
      '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":true,"auditAnnotations":null,"warnings":null}}',
    );
    const rawAnswer = await call('POST', '/validate_raw/p', json, '{"request":{"a":7}}');
    t.equal(await rawAnswer.text(), '{"response":{"uid":"","allowed":true,"auditAnnotations":null,"warnings":null}}');
  });

  await t.test('ids', async (t) => {
    t.match(
      await (await call('POST', '/validate/nope', json, review())).text(),
      '{"message":"unknown policy: nope","status":404}',
    );
    t.match(
      await (await call('POST', '/audit/a%zz', json, review())).text(),
      '{"message":"unknown policy: a%zz","status":404}',
    );
    t.match(
      await (await call('POST', '/audit/a%2Fb%2Fc', json, review())).text(),
      '{"message":"Something went wrong","status":500}',
    );
    const invalid = await call('POST', '/validate/%ff', {}, '');
    t.equal(invalid.status, 400);
    t.equal(await invalid.text(), 'Invalid URL: Invalid UTF-8 in `policy_id`');
    const long = 'x'.repeat(5000);
    t.match(await (await call('POST', `/validate/${long}`, json, review())).text(), `unknown policy: ${long}`);
  });

  await t.test('content types', async (t) => {
    for (const type of ['text/json', 'nonsense', 'multipart/form-data; boundary=x', '']) {
      const answer = await raw(
        server.apiAddress.port,
        `POST /validate/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${type === '' ? '' : `Content-Type: ${type}\r\n`}Content-Length: 2\r\n\r\n{}`,
      );
      t.match(answer, /^HTTP\/1.1 415 /, type);
      t.match(answer, '{"message":"Expected request with `Content-Type: application/json`","status":415}');
    }
    t.equal((await call('POST', '/validate/p')).status, 415, 'no body and no content type');
    t.equal((await call('POST', '/validate/p', json)).status, 400, 'an empty body');
  });

  await t.test('the body may have exactly as many bytes as the limit says', async (t) => {
    const body = review();
    const exact = body + ' '.repeat(2000 - body.length);
    t.equal((await call('POST', '/validate/p', json, exact)).status, 200);
    const over = await call('POST', '/validate/p', json, `${exact} `);
    t.equal(over.status, 413);
    t.equal(await over.text(), '{"message":"Failed to buffer the request body: length limit exceeded","status":413}');
    const text = await call('POST', '/audit/p', json, `${exact} `);
    t.equal(text.headers.get('content-type'), 'text/plain; charset=utf-8');
    t.equal(await text.text(), 'Failed to buffer the request body: length limit exceeded');
    const chunk = `${(900).toString(16)}\r\n${' '.repeat(900)}\r\n`;
    const chunked = `POST /validate/p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(4)}0\r\n\r\n`;
    t.match(await raw(server.apiAddress.port, chunked), /^HTTP\/1.1 413 /, 'without a content-length');
    t.equal((await call('POST', '/validate/p', { ...json, 'content-encoding': 'gzip' }, 'xx')).status, 400);
  });

  await t.test('raw bytes in the target', async (t) => {
    const send = (target: string): Promise<string> =>
      raw(
        server.apiAddress.port,
        `POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n`,
      );
    t.match(await send('http://other/validate/p'), /^HTTP\/1.1 400 /, 'absolute form is routed');
    t.match(await send('*'), /^HTTP\/1.1 40[04] /);
  });
});

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
    registry: { module: 'ghcr.io/acme/x:v1' },
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
      /^bootstrap failure: registry: .*this release loads modules from files only/,
      /^bootstrap failure: unannotated: Policy is missing protocol version, which is required for KubewardenWapc execution mode/,
      /^policy 'settings': Policy settings are invalid: not like this$/,
      /^policy 'hangs': Policy settings are invalid: /,
      /^bootstrap failure: group\/bad: .*unknown scheme: ftp/,
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
    t.match(table, /^POLICY +MODE +RUNTIME +MODULE +SIZE +READY\n/);
    t.match(table, /\ngood +protect +kubewarden-wapc +[0-9a-f]{12} +[\d.]+ [kM]B +yes\n/);
    t.match(table, /\nmissing +monitor +– +– +– +no: bootstrap failure: missing: /);
    t.match(
      table,
      /\n {2}group\/good +protect +kubewarden-wapc +[0-9a-f]{12} +[\d.]+ [kM]B +no: its group cannot be served\n/,
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

test('a policy that loops is stopped at its limit, global or its own', async (t) => {
  await using started = await start(
    {
      global: { module: rust, settings: { behaviour: 'loop' } },
      own: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 2 },
    },
    ['--policy-timeout=1'],
  );
  const message = 'Policy execution interrupted because it exceeded the allowed execution time';
  for (const [name, minimumMs] of [
    ['global', 900],
    ['own', 1900],
  ] as const) {
    const startMs = performance.now();
    t.match(await started.verdict(`/validate/${name}`), { allowed: false, status: { message, code: 500 } });
    const tookMs = performance.now() - startMs;
    t.ok(tookMs > minimumMs && tookMs < minimumMs + 1500, `${name}: ${tookMs} ms`);
  }
});

test('BUG: clients that go away leave the queue; a guest that still runs is stopped at its limit', async (t) => {
  await using started = await start(
    { loop: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 2 }, good: { module: rust } },
    ['--workers=1'],
  );
  const { port } = started.server.apiAddress;
  const headers = { 'content-type': 'application/json' };
  const calls = Array.from({ length: 5 }, () => {
    const call = request({ host: '127.0.0.1', port, path: '/validate/loop', method: 'POST', headers, agent: false });
    call.on('error', () => {});
    call.end(review());
    return call;
  });
  await sleep(300);
  const startMs = performance.now();
  const waiting = started.verdict('/validate/good');
  await sleep(100);
  for (const call of calls) call.destroy();
  t.match(await waiting, { allowed: true });
  t.ok(performance.now() - startMs < 4000, 'one limit at most, not five');
  t.equal(started.log.entries.filter(({ fields }) => fields['status'] === 499).length, 5);
});

test('FIX: overload is answered 429 before the client stops waiting', async (t) => {
  await using started = await start(
    { loop: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 4 } },
    ['--workers=1', '--shutdown-grace=0'],
  );
  const loops = Array.from({ length: 4 }, () => started.post('/validate/loop').catch(() => 'cut'));
  await sleep(300);
  const startMs = performance.now();
  const refused = await started.post('/validate/loop?timeout=1s');
  t.ok(performance.now() - startMs < 1000, `${performance.now() - startMs} ms`);
  t.equal(refused.status, 429);
  t.match(JSON.parse(refused.text), { status: 429, message: /^Too many requests: / });
  t.equal(refused.headers.get('retry-after'), '1');
  await started.server.close();
  await Promise.all(loops);
});

test("FIX: the client's own ?timeout= is kept: 504 and a reason instead of silence", async (t) => {
  await using started = await start({ loop: { module: rust, settings: { behaviour: 'loop' }, timeoutEvalSeconds: 2 } });
  const startMs = performance.now();
  const late = await started.post('/validate/loop?timeout=1s');
  t.ok(performance.now() - startMs < 1000);
  t.equal(late.status, 504);
  t.match(JSON.parse(late.text), { status: 504, message: /before the timeout the client had set/ });
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
      inPod: false,
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

function header(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

test('keep-alive connections are reused', async (t) => {
  await using started = await start({ p: { module: rust } });
  const { port } = started.server.apiAddress;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port,
        path: '/validate/p',
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'keep-alive' },
      },
      resolve,
    );
    call.on('error', reject);
    call.end(review());
  });
  answer.resume();
  t.equal(header(answer, 'connection'), 'keep-alive');
  t.equal(header(answer, 'keep-alive'), 'timeout=120', 'longer than the 90 s an API server keeps idle connections');
});
