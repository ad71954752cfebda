import { join } from 'node:path';
import { test } from 'tap';
import type { CommandArguments } from '../command-line/command.ts';
import { cacheFolder, configFolder, storeFolder, userFolders, type CommandContext } from '../environment.ts';
import { openRegistryAccess } from './source.ts';

interface Setup {
  readonly context: CommandContext;
  readonly logged: string[];
}

function setUp(home: string, env: Record<string, string> = {}): Setup {
  const logged: string[] = [];
  const context: CommandContext = {
    environment: {
      env,
      home,
      stdin: { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) },
      write: () => {},
      writeError: () => {},
      terminal: { stdoutColumns: undefined, isStderrTerminal: false },
      now: () => new Date(),
    },
    log: ({ level, message }) => logged.push(`${level} ${message}`),
  };
  return { context, logged };
}

function given(options: Record<string, string> = {}): CommandArguments {
  return { options: new Map(Object.entries(options).map(([id, value]) => [id, [value]])), positionals: [] };
}

function dockerConfig(user: string): string {
  return JSON.stringify({ auths: { 'a.example': { auth: Buffer.from(`${user}:secret`).toString('base64') } } });
}

test('folders: XDG on Linux, absolute paths only; the places of macOS and Windows', async (t) => {
  const { environment } = setUp('/home/me', { XDG_CACHE_HOME: '/cache', XDG_CONFIG_HOME: 'relative' }).context;
  t.same(userFolders(environment, 'linux'), { cache: '/cache/kubewarden', config: '/home/me/.config/kubewarden' });
  const windows = { ...environment, env: { LOCALAPPDATA: 'C:/local', APPDATA: 'C:/roaming' } };
  t.same(userFolders(windows, 'win32'), {
    cache: 'C:/local/kubewarden/cache',
    config: 'C:/roaming/kubewarden/config',
  });
  t.same(userFolders(environment, 'darwin'), {
    cache: '/home/me/Library/Caches/io.kubewarden.kubewarden',
    config: '/home/me/Library/Application Support/io.kubewarden.kubewarden',
  });
  const own = userFolders(environment);
  t.same(
    [cacheFolder(environment), storeFolder(environment), configFolder(environment)],
    [join(own.cache, 'kwctl'), join(own.cache, 'store'), own.config],
  );
});

test('sources: the given file, else sources.yaml of the user, else none', async (t) => {
  const home = t.testdir({
    'given.yml': 'insecure_sources: [given]',
    '.config': { kubewarden: { 'sources.yaml': 'insecure_sources: [own]', 'sources.yml': 'insecure_sources: [no]' } },
    empty: {},
  });
  const insecure = async (options: Record<string, string>, env: Record<string, string> = {}): Promise<string[]> => {
    await using access = await openRegistryAccess(given(options), setUp(home, env).context);
    return [...access.sources.insecure];
  };
  t.same(await insecure({ 'sources-path': join(home, 'given.yml') }), ['given']);
  t.same(await insecure({}), ['own'], '.yaml only');
  t.same(await insecure({}, { XDG_CONFIG_HOME: join(home, 'empty') }), []);
  await t.rejects(insecure({ 'sources-path': join(home, 'none.yml') }), { code: 'sources-invalid' });
});

test('credentials: the given folder, else DOCKER_CONFIG, else ~/.docker; a missing file is told only of the given', async (t) => {
  const home = t.testdir({
    given: { 'config.json': dockerConfig('given') },
    variable: { 'config.json': dockerConfig('variable') },
    '.docker': { 'config.json': dockerConfig('home') },
    empty: {},
  });
  const user = async (
    options: Record<string, string>,
    env: Record<string, string> = {},
  ): Promise<[unknown, string[]]> => {
    const { context, logged } = setUp(home, env);
    await using access = await openRegistryAccess(given(options), context);
    const credential = await access.credentials.credentialFor('a.example');
    return [credential?.kind === 'basic' ? credential.username : credential, logged];
  };
  const DOCKER_CONFIG = join(home, 'variable');
  t.same(await user({ 'docker-config-json-path': join(home, 'given') }, { DOCKER_CONFIG }), ['given', []]);
  t.same(await user({}, { DOCKER_CONFIG }), ['variable', []]);
  t.same(await user({}), ['home', []]);
  const path = join(home, 'empty');
  const text = 'Docker config file not found. Check if you are pointing to the directory containing the file.';
  t.match(await user({ 'docker-config-json-path': path }), [undefined, [`warn ${text}`, /^debug /]]);
  const [nobody, logged] = await user({}, { DOCKER_CONFIG: path });
  t.equal(nobody, undefined);
  t.match(logged, [/^debug no registry credentials from Docker: cannot read '.*\/empty\/config\.json'/]);
});
