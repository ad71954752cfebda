import { mkdir, mkdtemp, rename, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { createAuthority, createClientCertificate, createServerCertificate, type KeyPair } from '@portcullis/testkit';
import { test } from 'tap';
import { ServerError } from '../../errors.ts';
import { memoryLog, type MemoryLog } from '../../telemetry/memory-log.ts';
import { createTransport, listen } from '../listener.ts';
import { drain } from '../shutdown.ts';
import type { TlsFiles } from './material.ts';

const answerOk = (_request: IncomingMessage, response: ServerResponse): void => void response.end('ok');

interface Running extends AsyncDisposable {
  readonly port: number;
  readonly log: MemoryLog;
}

async function serve(files: TlsFiles, timing: { pollMs?: number; settleMs?: number } = {}): Promise<Running> {
  const log = memoryLog();
  const transport = await createTransport(files, log, { settleMs: 20, pollMs: 60_000, ...timing });
  const server = transport.createServer(answerOk);
  const { port } = await listen(server, '127.0.0.1', 0);
  return {
    port,
    log,
    [Symbol.asyncDispose]: async () => {
      transport[Symbol.dispose]();
      await drain(server, 0);
    },
  };
}

/** Serial number of the certificate in force for new connections. */
function serialOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const certificate: PeerCertificate = socket.getPeerCertificate();
      socket.destroy();
      resolve(certificate.serialNumber);
    });
    socket.once('error', reject);
  });
}

async function until(condition: () => Promise<boolean> | boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await condition()) return true;
    await sleep(20);
  }
  return false;
}

function get(port: number, options: { ca: string; cert?: string; key?: string; agent?: Agent }): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, agent: false, ...options }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve(text));
    });
    call.on('error', reject);
    call.end();
  });
}

async function folder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'tls-'));
}

async function write(dir: string, pair: KeyPair, names = ['tls.crt', 'tls.key']): Promise<TlsFiles> {
  const [certFile = '', keyFile = ''] = names.map((name) => join(dir, name));
  await writeFile(certFile, pair.cert);
  await writeFile(keyFile, pair.key);
  return { certFile, keyFile, clientCaFiles: [] };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ServerError && error.code === 'tls-invalid') return error.message;
  throw new Error(`expected a TLS error, got ${String(error)}`);
}

test('FIX: a certificate chain is accepted and sent', async (t) => {
  const root = await createAuthority('root');
  const leaf = await createServerCertificate(root);
  const files = await write(await folder(), { cert: `${leaf.cert}\n${root.cert}`, key: leaf.key });
  await using server = await serve(files);
  t.equal(await get(server.port, { ca: root.cert }), 'ok');
});

test('a file that cannot be used is an error that says why', async (t) => {
  const root = await createAuthority('root');
  const [one, two] = [await createServerCertificate(root), await createServerCertificate(root)];
  const dir = await folder();
  const load = async (pair: KeyPair): Promise<unknown> => createTransport(await write(dir, pair), memoryLog());
  t.match(
    await failure(load({ cert: '', key: one.key })),
    'Expected exactly one certificate in certificate file, found 0',
  );
  t.equal(await failure(load({ cert: one.cert, key: '' })), 'Expected exactly one key in key file, found 0');
  t.equal(
    await failure(load({ cert: one.cert, key: one.key + two.key })),
    'Expected exactly one key in key file, found 2',
  );
  t.match(await failure(load({ cert: one.cert, key: two.key })), /the private key does not belong to the certificate/);
  const broken = one.cert.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  t.match(
    await failure(load({ cert: broken, key: one.key })),
    /certificate 1 of the certificate file cannot be parsed/,
  );
  const brokenKey = one.key.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  t.match(await failure(load({ cert: one.cert, key: brokenKey })), /the private key cannot be parsed/);
  const missing = { certFile: join(dir, 'none.crt'), keyFile: join(dir, 'tls.key'), clientCaFiles: [] };
  t.match(await failure(createTransport(missing, memoryLog())), /cannot read .*none\.crt: No such file or directory/);
});

test('mTLS: a client needs a certificate of one of the comma-separated CAs', async (t) => {
  const [root, clients, others] = [
    await createAuthority('root'),
    await createAuthority('clients'),
    await createAuthority('others'),
  ];
  const dir = await folder();
  const files = await write(dir, await createServerCertificate(root));
  const clientCaFiles = [join(dir, 'a.pem'), join(dir, 'b.pem')];
  const junk = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  await writeFile(join(dir, 'a.pem'), junk + root.cert);
  await writeFile(join(dir, 'b.pem'), clients.cert);
  await using server = await serve({ ...files, clientCaFiles });
  t.match(server.log.entries, [{ level: 'warn', message: /^1 client CA certificates cannot be parsed/ }, {}]);
  t.equal(await get(server.port, { ca: root.cert, ...(await createClientCertificate(clients, 'api')) }), 'ok');
  await t.rejects(get(server.port, { ca: root.cert }), 'no certificate');
  await t.rejects(get(server.port, { ca: root.cert, ...(await createClientCertificate(others, 'api')) }), 'a stranger');
  await writeFile(join(dir, 'a.pem'), junk);
  await writeFile(join(dir, 'b.pem'), '');
  t.match(await failure(createTransport({ ...files, clientCaFiles }, memoryLog())), /no usable client CA certificate/);
});

test('client CAs are reloaded while the server certificate stays', async (t) => {
  const [root, first, second] = [
    await createAuthority('root'),
    await createAuthority('first'),
    await createAuthority('second'),
  ];
  const dir = await folder();
  const files = await write(dir, await createServerCertificate(root));
  await writeFile(join(dir, 'ca.pem'), first.cert);
  await using server = await serve({ ...files, clientCaFiles: [join(dir, 'ca.pem')] });
  const old = { ca: root.cert, ...(await createClientCertificate(first, 'api')) };
  const renewed = { ca: root.cert, ...(await createClientCertificate(second, 'api')) };
  t.equal(await get(server.port, old), 'ok');
  await t.rejects(get(server.port, renewed));
  await writeFile(join(dir, 'ca.pem'), second.cert);
  t.ok(
    await until(() =>
      get(server.port, renewed).then(
        (text) => text === 'ok',
        () => false,
      ),
    ),
  );
  await t.rejects(get(server.port, old), 'the CA that was taken away counts no more');
  t.ok(server.log.entries.some(({ message }) => message === 'Reloading client CA certificates'));
  t.notOk(server.log.entries.some(({ message }) => message === 'Reloading Server TLS certificates'));
});

test('BUG: reload works for in-place rewrites, renames and the symlink swap of a Kubernetes Secret', async (t) => {
  const root = await createAuthority('root');
  const pairs = await Promise.all([1, 2, 3].map(() => createServerCertificate(root)));
  const [one, two, three] = pairs as [KeyPair, KeyPair, KeyPair];

  await t.test('in-place rewrite, one file after the other', async (t) => {
    const dir = await folder();
    await using server = await serve(await write(dir, one));
    const before = await serialOf(server.port);
    await writeFile(join(dir, 'tls.crt'), two.cert);
    await sleep(150);
    t.equal(await serialOf(server.port), before, 'half a pair is never put into force');
    await writeFile(join(dir, 'tls.key'), two.key);
    t.ok(await until(async () => (await serialOf(server.port)) !== before));
    t.ok(server.log.entries.some(({ message }) => message === 'Reloading Server TLS certificates'));
  });

  await t.test('atomic rename', async (t) => {
    const dir = await folder();
    await using server = await serve(await write(dir, one));
    const before = await serialOf(server.port);
    await write(dir, two, ['new.crt', 'new.key']);
    await rename(join(dir, 'new.crt'), join(dir, 'tls.crt'));
    await rename(join(dir, 'new.key'), join(dir, 'tls.key'));
    t.ok(await until(async () => (await serialOf(server.port)) !== before));
  });

  await t.test('Secret mount: ..data is re-pointed, twice', async (t) => {
    const dir = await folder();
    const publish = async (name: string, pair: KeyPair): Promise<void> => {
      await mkdir(join(dir, name));
      await write(join(dir, name), pair);
      await symlink(name, join(dir, '..data_tmp'));
      await rename(join(dir, '..data_tmp'), join(dir, '..data'));
    };
    await publish('..2026_1', one);
    for (const name of ['tls.crt', 'tls.key']) await symlink(join('..data', name), join(dir, name));
    await using server = await serve({
      certFile: join(dir, 'tls.crt'),
      keyFile: join(dir, 'tls.key'),
      clientCaFiles: [],
    });
    const seen = [await serialOf(server.port)];
    for (const [name, pair] of [
      ['..2026_2', two],
      ['..2026_3', three],
    ] as const) {
      await publish(name, pair);
      t.ok(await until(async () => !seen.includes(await serialOf(server.port))), name);
      seen.push(await serialOf(server.port));
    }
  });

  await t.test('nothing reported by the kernel: polling finds it', async (t) => {
    const [dir, links] = [await folder(), await folder()];
    const { certFile, keyFile } = await write(dir, one);
    await symlink(certFile, join(links, 'tls.crt'));
    await symlink(keyFile, join(links, 'tls.key'));
    const files = { certFile: join(links, 'tls.crt'), keyFile: join(links, 'tls.key'), clientCaFiles: [] };
    await using server = await serve(files, { pollMs: 30 });
    const before = await serialOf(server.port);
    await write(dir, two);
    t.ok(await until(async () => (await serialOf(server.port)) !== before));
  });
});

test('an old pair stays in force while the new one cannot be used, and connections live on', async (t) => {
  const root = await createAuthority('root');
  const [one, two] = [await createServerCertificate(root), await createServerCertificate(root)];
  const dir = await folder();
  await using server = await serve(await write(dir, one));
  const before = await serialOf(server.port);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.equal(await get(server.port, { ca: root.cert, agent }), 'ok');
  await writeFile(join(dir, 'tls.crt'), 'garbage');
  t.ok(await until(() => server.log.entries.some(({ level }) => level === 'error')));
  t.match(server.log.entries.at(-1), { message: 'TLS files cannot be used, the ones in force stay' });
  t.equal(await serialOf(server.port), before);
  await write(dir, two);
  t.ok(await until(async () => (await serialOf(server.port)) !== before), 'a later good pair is taken');
  t.equal(await get(server.port, { ca: root.cert, agent }), 'ok', 'on the connection from before');
  agent.destroy();
});
