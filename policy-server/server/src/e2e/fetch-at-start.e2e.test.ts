import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OCI_INDEX, OCI_MANIFEST, policyModule, ProgrammableRegistry } from '@portcullis/testkit';
import { test } from 'tap';
import { documentFile, startProcess, type ProcessOptions } from '../test/server-process.ts';
import { filesIn, servePolicy } from '../test/served-policy.ts';
import { folder, review, start, startFailure } from '../test/test-server.ts';

const BLOBS = /\/blobs\//;

let stores = 0;

async function flagsFor(hosts: readonly string[], store = join(folder, `store-${stores++}`)): Promise<string[]> {
  const sources = await documentFile({ insecure_sources: hosts });
  return [`--sources-path=${sources}`, `--policies-download-dir=${store}`];
}

test('many policies of one registry are fetched side by side, a few at a time, each content once', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const policies: Record<string, object> = {};
  let [now, most] = [0, 0];
  for (let index = 0; index < 30; index++) {
    const { module } = servePolicy(registry, `p${index}`, await policyModule({ rejectWith: `no ${index % 10}` }));
    policies[`p${index}`] = { module: `registry://${registry.host}/p${index}:v1` };
    registry.route('GET', `/v2/p${index}/blobs/${module}`, async () => {
      most = Math.max(most, ++now);
      await sleep(20);
      now -= 1;
      return undefined;
    });
  }
  await using server = await start(policies, await flagsFor([registry.host]));
  t.match(await server.verdict('/validate/p17'), { status: { message: /^no 7$/ } });
  t.ok(most > 1 && most <= 8, `${most} at a time`);
  t.equal(registry.count('GET', '/v2/'), 1, 'how to speak to the registry is found out once');
  const modules = registry.requests.filter(({ path }) => BLOBS.test(path) && !path.includes('44136fa355b3'));
  t.equal(modules.length, 10, 'thirty policies, ten contents');
});

test('a registry that hangs keeps nobody else from being served, and the start has an end', async (t) => {
  await using hanging = await ProgrammableRegistry.start();
  hanging.route('GET', /./, { drop: 'hang' });
  await using sound = await ProgrammableRegistry.start();
  const policies: Record<string, object> = {};
  for (let index = 0; index < 20; index++) policies[`h${index}`] = { module: `${hanging.host}/p${index}:v1` };
  const served = Promise.withResolvers<void>();
  const { module } = servePolicy(sound, 'p', await policyModule({ rejectWith: 'no' }));
  sound.route('GET', `/v2/p/blobs/${module}`, () => {
    served.resolve();
    return undefined;
  });
  policies['good'] = { module: `${sound.host}/p:v1` };
  policies['group'] = {
    expression: 'a() && b()',
    message: 'm',
    policies: { a: { module: `${sound.host}/p:v1` }, b: { module: `${hanging.host}/x:v1` } },
  };
  const flags = await flagsFor([hanging.host, sound.host]);
  const since = performance.now();
  const starting = start(policies, [...flags, '--continue-on-errors', '--policies-download-timeout=3']);
  const first = await Promise.race([served.promise, starting.then(() => 'the end')]);
  t.equal(first, undefined, 'the other registry is asked while 20 policies wait');
  await using server = await starting;
  t.ok(performance.now() - since < 15_000, 'up soon after the time for fetching is over');
  t.match(await server.verdict('/validate/good'), { status: { message: /^no$/ } });
  const late = `from ${hanging.host}/p3:v1: it was not here after 3 s, which is all the time there is`;
  t.match((await server.verdict('/validate/h3')).status?.message, `Error while downloading policy 'h3' ${late}`);
  t.match((await server.verdict('/validate/group')).status?.message, `policy 'group/#b' from ${hanging.host}/x:v1: `);
  const failure = await startFailure(policies, [...flags, '--policies-download-timeout=1']);
  t.ok(failure.details.length >= 21, 'each is named');
});

test('a registry that never ends a module keeps nobody from having the same module from elsewhere', async (t) => {
  await using evil = await ProgrammableRegistry.start();
  await using sound = await ProgrammableRegistry.start();
  const bytes = await policyModule({ rejectWith: 'no', paddingBytes: 100_000 });
  const { module } = servePolicy(evil, 'p', bytes);
  servePolicy(sound, 'p', bytes);
  const begin = Promise.withResolvers<void>();
  evil.route('GET', `/v2/p/blobs/${module}`, () => {
    begin.resolve();
    return { body: begun(bytes) };
  });
  sound.route('GET', '/v2/p/manifests/v1', async () => {
    await begin.promise;
    return undefined;
  });
  const policies = { evil: { module: `${evil.host}/p:v1` }, sound: { module: `${sound.host}/p:v1` } };
  const flags = [...(await flagsFor([evil.host, sound.host])), '--policies-download-timeout=3', '--continue-on-errors'];
  await using server = await start(policies, flags);
  t.match(await server.verdict('/validate/sound'), { status: { message: /^no$/ } });
  t.match((await server.verdict('/validate/evil')).status?.message, 'it was not here after 3 s');
});

test('`latest` of a registry that hangs is what is stored when the time is over, unless signatures are asked for', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  servePolicy(registry, 'p', await policyModule({ rejectWith: 'stored' }), ['latest']);
  const given = await flagsFor([registry.host]);
  const flags = [...given, '--policies-download-timeout=1'];
  const policies = { p: { module: `${registry.host}/p` } };
  await (await start(policies, given))[Symbol.asyncDispose]();
  registry.route('GET', /./, { drop: 'hang' });
  {
    await using server = await start(policies, flags);
    t.match(await server.verdict('/validate/p'), { status: { message: /^stored$/ } });
    const warning = server.log.entries.find(({ message }) => message.includes('using the one that is stored'));
    t.match(warning, { level: 'warn', fields: { policy: `registry://${registry.host}/p:latest`, error: /1 s/ } });
  }
  const verification = { apiVersion: 'v1', allOf: [{ kind: 'githubAction', owner: 'me' }] };
  const failure = await startFailure(policies, [...flags, `--verification-path=${await documentFile(verification)}`]);
  t.match(failure.message, `Error while downloading policy 'p' from ${registry.host}/p: it was not here after 1 s`);
});

test('SIGTERM while policies are being fetched ends the server at once and leaves no half policy', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const bytes = await policyModule({ paddingBytes: 300_000 });
  const { module } = servePolicy(registry, 'p', bytes);
  servePolicy(registry, 'hangs', bytes);
  registry.route('GET', /\/v2\/hangs\//, { drop: 'hang' });
  registry.route('GET', `/v2/p/blobs/${module}`, { body: begun(bytes) });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const store = join(folder, `stopped-${signal}`);
    const policies = await documentFile({
      p: { module: `${registry.host}/p:v1` },
      q: { module: `${registry.host}/hangs:v1` },
    });
    const flags = [...(await flagsFor([registry.host], store)), `--policies=${policies}`, '--continue-on-errors'];
    await using server = startProcess({ flags });
    await server.until(async () => (await filesIn(store)).some((path) => path.endsWith('.part')), 'draft');
    const since = performance.now();
    server.kill(signal);
    t.same(await server.ended, { code: 0, signal: null }, signal);
    t.ok(performance.now() - since < 5000, `${signal}: ${Math.round(performance.now() - since)} ms`);
    t.match(server.output, { stderr: '', stdout: /WARN policy_server: stopped before the policies were ready\n$/ });
    const left = await filesIn(store);
    t.notOk(
      left.some((path) => path.includes('registry')),
      'no file where policies lie',
    );
  }
});

async function* begun(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, bytes.length / 2);
  await new Promise(() => undefined);
}

test('kill -9 while a policy is being fetched: the next start goes on where it was', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const bytes = await policyModule({ rejectWith: 'whole', paddingBytes: 300_000 });
  const { module } = servePolicy(registry, 'p', bytes);
  registry.route('GET', `/v2/p/blobs/${module}`, (_request, calls) =>
    calls === 0 ? { body: begun(bytes) } : undefined,
  );
  const store = join(folder, 'killed');
  const policies = await documentFile({ p: { module: `${registry.host}/p:v1` } });
  const options: ProcessOptions = { flags: [...(await flagsFor([registry.host], store)), `--policies=${policies}`] };
  {
    await using server = startProcess(options);
    await server.until(async () => (await filesIn(store)).some((path) => path.endsWith('.part')), 'draft');
    await server.until(() => registry.count('GET', BLOBS) > 0, 'request');
    await sleep(100);
    server.kill('SIGKILL');
    await server.ended;
  }
  t.notOk((await filesIn(store)).some((path) => path.endsWith('p:v1')));
  await using one = startProcess(options);
  await using two = startProcess(options);
  const urls = await Promise.all([one.ready(), two.ready()]);
  for (const url of urls) {
    const answer = await fetch(`${url}/validate/p`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: review(),
    });
    t.match(await answer.text(), /"message":"whole"/);
  }
  const resumed = registry.requests.filter(({ path, headers }) => path.endsWith(module) && headers.range !== undefined);
  t.equal(resumed.length, 1, 'one of two servers goes on with what is there');
  t.same(
    (await filesIn(store)).filter((path) => path.endsWith('.part')),
    [],
    'no draft is left',
  );
});

test('a folder for downloads that cannot be written to is named with what is wrong', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  servePolicy(registry, 'p', await policyModule());
  const policies = { p: { module: `${registry.host}/p:v1` } };
  const taken = join(folder, 'taken');
  await writeFile(taken, '');
  await mkdir(join(folder, 'as-file', 'registry', registry.host, 'p:v1'), { recursive: true });
  for (const [store, text] of [
    [taken, 'Not a directory (os error 20) – a file has the name that a folder should have, or the other way round'],
    ['/proc/portcullis', 'No such file or directory (os error 2)'],
    [join(folder, 'as-file'), 'Is a directory (os error 21) – a file has the name'],
  ] as const) {
    const failure = await startFailure(policies, await flagsFor([registry.host], store));
    const path = join(store, 'registry', registry.host, 'p:v1');
    t.match(
      failure.message,
      `Error while downloading policy 'p' from ${registry.host}/p:v1: wasm module cannot be save to "${path}": ${text}`,
    );
  }
});

/** A program that runs another with a file system of its own over `path`. */
const mounting = (options: string, path: string): string[] => {
  return ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o ${options} none ${path} && exec "$@"`, 'sh'];
};
const [unshare, ...tryMount] = [...mounting('size=1k', '/mnt'), 'true'];
const mayMount = spawnSync(unshare, tryMount).status === 0;

test(
  'a full disk and a file system that may only be read say so',
  { skip: mayMount ? false : 'nobody may mount here' },
  async (t) => {
    await using registry = await ProgrammableRegistry.start();
    servePolicy(registry, 'large', await policyModule({ paddingBytes: 300_000 }));
    const policies = await documentFile({ large: { module: `${registry.host}/large:v1` } });
    for (const [options, text] of [
      ['size=100k', 'No space left on device (os error 28) – free some space, or choose another folder'],
      ['ro', 'Read-only file system (os error 30) – check the permissions of the folder, or choose another'],
    ] as const) {
      const store = join(folder, `mounted-${stores++}`);
      await mkdir(store);
      const flags = [...(await flagsFor([registry.host], store)), `--policies=${policies}`, '--continue-on-errors'];
      await using server = startProcess({ flags, prefix: mounting(options, store) });
      const url = await server.ready();
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/validate/large`, { method: 'POST', headers, body: review() });
      const path = join(store, 'registry', registry.host, 'large:v1');
      t.match(JSON.parse(await answer.text()), {
        response: {
          status: { message: new RegExp(`wasm module cannot be save to "${path}": ${RegExp.escape(text)}$`) },
        },
      });
    }
  },
);

test('without a folder for downloads they lie in the working directory', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  servePolicy(registry, 'p', await policyModule());
  const cwd = join(folder, 'cwd');
  await mkdir(cwd);
  const policies = await documentFile({ p: { module: `${registry.host}/p:v1` } });
  const env = {
    KUBEWARDEN_POLICIES: policies,
    KUBEWARDEN_SOURCES_PATH: await documentFile({ insecure_sources: [registry.host] }),
  };
  await using server = startProcess({ cwd, env });
  await server.ready();
  t.ok((await filesIn(cwd)).includes(`registry/${registry.host}/p:v1`));
});

test('an index leads to the policy for this platform, also for a member of a group', async (t) => {
  await using registry = await ProgrammableRegistry.start();
  const { manifest } = servePolicy(registry, 'p', await policyModule({ rejectWith: 'mine' }), []);
  const other = servePolicy(registry, 'p', await policyModule({ rejectWith: 'other' }), []);
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [
      { mediaType: OCI_MANIFEST, digest: other.manifest, size: 1, platform: { os: 'windows', architecture: 'mips' } },
      { mediaType: OCI_MANIFEST, digest: manifest, size: 1, platform: { os: process.platform, architecture } },
    ],
  };
  registry.serveManifest('p', index, OCI_INDEX, ['v1']);
  const policies = {
    g: { expression: 'a()', message: 'group', policies: { a: { module: `${registry.host}/p:v1` } } },
    digest: { module: `${registry.host}/p@${other.manifest}` },
  };
  await using server = await start(policies, await flagsFor([registry.host]));
  t.match(JSON.stringify(await server.verdict('/validate/g')), /mine/);
  t.match(await server.verdict('/validate/digest'), { status: { message: /^other$/ } });
});
