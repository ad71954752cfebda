import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  createAuthority,
  createServerCertificate,
  missingTool,
  policyModule,
  pushPolicyModule,
  registryTools,
  startRegistry,
  type RegistryOptions,
} from '@portcullis/testkit';
import { test, type Test } from 'tap';
import { KWCTL, kwctl, type Outcome } from './kwctl-process.ts';

/** A machine: a folder with a home of its own, and `kwctl` in it. */
interface Machine {
  readonly home: string;
  readonly env: Record<string, string>;
  script(name: 'save-policies' | 'load-policies', ...args: string[]): Promise<Outcome>;
  kwctl(...args: string[]): Promise<Outcome>;
}

function machine(parent: string, name: string, sources: object): Machine {
  const home = join(parent, name);
  mkdirSync(join(home, 'config/kubewarden'), { recursive: true });
  writeFileSync(join(home, 'config/kubewarden/sources.yaml'), JSON.stringify(sources));
  const program = join(home, 'kwctl');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${KWCTL}' "$@"\n`, { mode: 0o755 });
  const env = {
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_CONFIG_HOME: join(home, 'config'),
    DOCKER_CONFIG: join(home, 'docker'),
  };
  return {
    home,
    env,
    script: (script, ...args) => runScript(script, args, { cwd: home, env: { ...env, KWCTL_CMD: program } }),
    kwctl: (...args) => kwctl(args, { cwd: home, env }),
  };
}

async function runScript(
  name: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env: Record<string, string> },
): Promise<Outcome> {
  const path = fileURLToPath(new URL(`air-gap/${name}.sh`, import.meta.url));
  const child = spawn('/bin/sh', [path, ...args], { cwd, env: { PATH: process.env['PATH'] ?? '', ...env } });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text));
  outcome.code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  return outcome;
}

/** A web server with one policy, whose certificate only those trust who were told to. */
async function startWebServer(t: Test, bytes: Uint8Array): Promise<{ host: string; authority: string }> {
  const authority = await createAuthority('web');
  const server = createServer(await createServerCertificate(authority), (request, response) => {
    if (request.url === '/releases/v1.0.0/policy.wasm') response.end(bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, authority: authority.cert };
}

interface Archive {
  readonly list: string;
  readonly path: string;
  /** The policies, by the path they have in any registry. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
}

/** What the machine with a network does: afterwards the registry and the web server are out of reach. */
async function savedPolicies(t: Test, parent: string): Promise<Archive> {
  const [first, second, third] = await Promise.all(
    ['first', 'second', 'third'].map((label) => policyModule({ label })),
  );
  if (first === undefined || second === undefined || third === undefined)
    throw new Error('three modules were asked for');
  const web = await startWebServer(t, third);
  await using registry = await startRegistry({ referrers: true });
  await pushPolicyModule(registry, 'acme/policies/first', first, 'v1.0.0');
  await pushPolicyModule(registry, 'acme/policies/second', second, 'latest');
  const online = machine(parent, 'online', {
    insecure_sources: [registry.host],
    source_authorities: { [web.host]: [{ type: 'Data', data: web.authority }] },
  });
  const uris = [
    `registry://${registry.host}/acme/policies/first:v1.0.0`,
    `registry://${registry.host}/acme/policies/second`,
    `https://${web.host}/releases/v1.0.0/policy.wasm`,
  ];
  const missing = `registry://${registry.host}/acme/policies/none:v1`;
  writeFileSync(join(online.home, 'policies.txt'), `${[...uris, missing].join('\n')}\n\n`);
  const saved = await online.script('save-policies', '--policies-list', 'policies.txt', '--policies', 'saved.tar.gz');
  t.same(saved, {
    code: 0,
    stdout: `${uris.map((uri) => `pulled ${uri}\n`).join('')}not pulled ${missing}\n`,
    stderr: '',
  });
  return {
    list: `${uris.join('\n')}\n`,
    path: join(online.home, 'saved.tar.gz'),
    modules: new Map([
      ['acme/policies/first:v1.0.0', first],
      ['acme/policies/second:latest', second],
      ['releases/v1.0.0/policy.wasm', third],
    ]),
  };
}

interface PrivateRegistry {
  readonly name: string;
  readonly options: RegistryOptions;
  readonly sources: (host: string) => object;
  /** By default, the sources are those of the user's folder. */
  readonly sourcesPath?: string;
}

const USER = { user: 'ann', password: 'p:w' };

async function privateRegistries(): Promise<PrivateRegistry[]> {
  const authority = await createAuthority('private');
  const tls = await createServerCertificate(authority);
  return [
    {
      name: 'http, without referrers',
      options: { referrers: false, program: 'distribution' },
      sources: (host) => ({ insecure_sources: [host] }),
    },
    {
      name: 'TLS of an own authority, with a password, sources on the command line',
      options: { referrers: true, tls, authority: authority.cert, basicAuth: USER },
      sources: (host) => ({ source_authorities: { [host]: [{ type: 'Data', data: authority.cert }] } }),
      sourcesPath: 'sources.yml',
    },
  ];
}

/** What the machine in the air gap does with the archive, and another one with the registry. */
async function loadInto(t: Test, { options, sources, sourcesPath }: PrivateRegistry, archive: Archive): Promise<void> {
  const parent = t.testdir({});
  await using registry = await startRegistry(options);
  const given = sources(registry.host);
  const isolated = machine(parent, 'isolated', sourcesPath === undefined ? given : {});
  writeFileSync(join(isolated.home, 'sources.yml'), JSON.stringify(given));
  writeFileSync(join(isolated.home, 'policies.txt'), archive.list);
  const login = {
    auths: { [registry.host]: { auth: Buffer.from(`${USER.user}:${USER.password}`).toString('base64') } },
  };
  mkdirSync(join(isolated.home, 'docker'));
  writeFileSync(join(isolated.home, 'docker/config.json'), JSON.stringify(login));
  const args = ['--policies-list', 'policies.txt', '--policies', archive.path, '--registry', registry.host];
  if (sourcesPath !== undefined) args.push('--sources-path', sourcesPath);
  const loaded = await isolated.script('load-policies', ...args);
  t.equal(loaded.code, 0, loaded.stderr);
  const pushed = loaded.stdout.split('\n').map((text) => text.replace(/@sha256:[0-9a-f]{64}$/, '@'));
  t.same(pushed, [
    ...Array.from(archive.modules.keys(), (path) => {
      const repository = path.replace(/:[^:/]*$/, '');
      return `Policy successfully pushed: ${registry.host}/${repository}@`;
    }),
    '',
  ]);

  const other = machine(parent, 'other', given);
  mkdirSync(join(other.home, 'docker'));
  writeFileSync(join(other.home, 'docker/config.json'), JSON.stringify(login));
  for (const [path, bytes] of archive.modules) {
    // Scripts read lists with spaces at the end of a line.
    t.match(await other.kwctl('pull', `registry://${registry.host}/${path} `), { code: 0, stdout: '' }, path);
    const stored = path.includes(':') ? path : `${path}:latest`;
    const file = join(other.home, 'cache/kubewarden/store/registry', registry.host, stored);
    t.ok(readFileSync(file).equals(bytes), `${path} is what was saved`);
  }
  const { stdout } = await other.kwctl('policies');
  t.equal(stdout.match(/registry:\/\//g)?.length, archive.modules.size);
}

const tools = registryTools({ referrers: true }).concat(
  registryTools({ referrers: false, program: 'distribution' }),
  registryTools({ referrers: true, basicAuth: USER }),
);

test(
  'air gap: scripts save policies where there is a network, and put them into a registry where there is none',
  { skip: await missingTool(...tools) },
  async (t) => {
    const archive = await savedPolicies(t, t.testdir({}));
    for (const registry of await privateRegistries()) {
      await t.test(registry.name, async (t) => loadInto(t, registry, archive));
    }
  },
);

test('air gap: nothing to save, and no archive, are errors of the scripts', async (t) => {
  const parent = t.testdir({});
  const isolated = machine(parent, 'machine', {});
  const { home } = isolated;
  writeFileSync(join(home, 'policies.txt'), 'registry://127.0.0.1:1/a:v1\n');
  const saved = await isolated.script('save-policies', '--policies-list', 'policies.txt', '--policies', 'saved.tar.gz');
  t.match(saved, { code: 2, stdout: 'not pulled registry://127.0.0.1:1/a:v1\n' });
  t.match(saved.stderr, 'error: the following required arguments were not provided:');
  t.notOk(existsSync(join(home, 'saved.tar.gz')), 'no archive is begun');
  const loaded = await isolated.script('load-policies', '--policies', 'saved.tar.gz', '--registry', 'private.example');
  t.match(loaded, { code: 1, stdout: '', stderr: /^Error: .*saved\.tar\.gz.*No such file/ });
  const store = join(home, 'cache/kubewarden/store');
  t.same(
    existsSync(store)
      ? readdirSync(store, { recursive: true }).filter((name) => isFile(join(store, String(name))))
      : [],
    [],
  );
});

function isFile(path: string): boolean {
  return statSync(path).isFile();
}
