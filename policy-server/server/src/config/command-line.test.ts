import { readFile } from 'node:fs/promises';
import { test } from 'tap';
import { ServerError } from '../errors.ts';
import { parseCommandLine, type Environment } from './command-line.ts';
import { FLAG_NAMES, flagRow } from './flags.ts';
import { helpMarkdown, helpText } from './help.ts';

function serve(argv: string[], env: Environment = {}) {
  const command = parseCommandLine(argv, env);
  if (command.kind !== 'serve') throw new Error(`expected to serve, got ${command.kind}`);
  return command;
}

function usage(argv: string[], env: Environment = {}): string {
  try {
    parseCommandLine(argv, env);
  } catch (error) {
    if (error instanceof ServerError && error.code === 'usage') return error.message;
    throw error;
  }
  throw new Error('expected a usage error');
}

const TAIL = "\n\nFor more information, try '--help'.";
const USAGE = '\n\nUsage: policy-server [OPTIONS] [COMMAND]';

test('flags have the defaults operators know', async (t) => {
  const { flags, given } = serve([]);
  t.match(flags, {
    addr: '0.0.0.0',
    port: '3000',
    'readiness-probe-port': '8081',
    policies: 'policies.yml',
    'policy-timeout': 2,
    'log-level': 'info',
    'log-fmt': 'text',
    'max-body-bytes': 8_388_608,
    'continue-on-errors': false,
  });
  t.equal(flags.workers, undefined);
  t.equal(given.size, 0);
});

test('a flag beats its variable, which beats the default', async (t) => {
  const env = { KUBEWARDEN_PORT: '4000', KUBEWARDEN_POLICY_TIMEOUT: '7' };
  const { flags } = serve(['--port', '5000'], env);
  t.equal(flags.port, '5000');
  t.equal(flags['policy-timeout'], 7);
  t.equal(serve(['--port=5001'], env).flags.port, '5001');
  t.equal(serve(['--enable-metrics=false'], { KUBEWARDEN_ENABLE_METRICS: 'true' }).flags['enable-metrics'], false);
});

test('every flag can be set by its variable', async (t) => {
  const variables = FLAG_NAMES.map((name) => flagRow(name).env);
  t.equal(new Set(variables).size, FLAG_NAMES.length, 'no two flags share one');
  for (const name of FLAG_NAMES) {
    const row = flagRow(name);
    const possible = { 'log-level': 'warn', 'log-fmt': 'json', instances: 'fresh' }[name as string];
    const text = possible ?? (row.placeholder === undefined ? 'true' : '7');
    t.ok(serve([], { [row.env]: text }).given.has(name), name);
  }
});

test('FIX: switches take every spelling of a boolean, with and without a value', async (t) => {
  for (const word of ['true', '1', 'yes', 'TRUE']) {
    t.equal(serve([`--daemon=${word}`]).flags.daemon, true, word);
    t.equal(serve([], { KUBEWARDEN_DAEMON: word }).flags.daemon, true, word);
  }
  for (const word of ['false', '0', 'no']) t.equal(serve([], { KUBEWARDEN_DAEMON: word }).flags.daemon, false, word);
  t.equal(serve(['--daemon']).flags.daemon, true);
  t.equal(
    usage(['--daemon=maybe']),
    `error: invalid value 'maybe' for '--daemon'\n  [possible values: true, false]${TAIL}`,
  );
  t.match(usage([], { KUBEWARDEN_DAEMON: '' }), "invalid value '' for '--daemon' (from KUBEWARDEN_DAEMON)");
});

test('FIX: any non-empty NO_COLOR switches colours off', async (t) => {
  t.equal(serve([], { NO_COLOR: '1' }).flags['log-no-color'], true);
  t.equal(serve([], { NO_COLOR: 'false' }).flags['log-no-color'], true);
  t.equal(serve([], { NO_COLOR: '' }).flags['log-no-color'], false);
  t.equal(serve(['--log-no-color=false'], { NO_COLOR: '1' }).flags['log-no-color'], false);
});

test('FIX: --workers 0 and --workers many are refused', async (t) => {
  t.equal(usage(['--workers', '0']), `error: invalid value '0' for '--workers <COUNT>': 0 is not in 1..=65536${TAIL}`);
  t.match(usage(['--workers', 'many']), "invalid value 'many' for '--workers <COUNT>': invalid digit found in string");
  t.match(usage(['--workers', '9'.repeat(20)]), `${'9'.repeat(20)} is not in 1..=65536`);
  t.match(usage([], { KUBEWARDEN_WORKERS: '0' }), '(from KUBEWARDEN_WORKERS): 0 is not in 1..=65536');
  t.equal(serve(['--workers', '1']).flags.workers, 1);
});

test('numbers are whole, decimal and in range', async (t) => {
  for (const text of ['1.5', '-1', '0x10', '1e3', ' 2', '', '99999999999999999999', '2147484']) {
    t.match(usage([`--policy-timeout=${text}`]), '--policy-timeout <SECONDS>', text);
  }
  t.match(usage(['--policy-timeout', '1.5']), 'invalid digit found in string');
  t.match(usage(['--policy-timeout', '0']), '0 is not in 1..=2147483');
  t.equal(serve(['--policy-timeout', '2147483']).flags['policy-timeout'], 2_147_483);
});

test('usage errors read as those of other command lines', async (t) => {
  t.equal(usage(['--frobnicate']), `error: unexpected argument '--frobnicate' found${USAGE}${TAIL}`);
  t.equal(
    usage(['--prot', '1']),
    `error: unexpected argument '--prot' found\n\n  tip: a similar argument exists: '--port'\n\nUsage: policy-server --port <PORT>${TAIL}`,
  );
  t.equal(usage(['-x']), `error: unexpected argument '-x' found${USAGE}${TAIL}`);
  t.equal(usage(['--port']), `error: a value is required for '--port <PORT>' but none was supplied${TAIL}`);
  t.match(usage(['--port', '--daemon']), "a value is required for '--port <PORT>' but none was supplied");
  t.equal(
    usage(['--port', '1', '--port=2']),
    `error: the argument '--port <PORT>' cannot be used multiple times${USAGE}${TAIL}`,
  );
  t.match(usage(['--daemon', '--daemon']), "the argument '--daemon' cannot be used multiple times");
  t.equal(usage(['serve']), `error: unrecognized subcommand 'serve'${USAGE}${TAIL}`);
  t.match(usage(['doc']), "tip: a similar subcommand exists: 'docs'");
  t.match(
    usage(['--log-level', 'inf']),
    "\n  [possible values: trace, debug, info, warn, error]\n\n  tip: a similar value exists: 'info'",
  );
});

test('FIX: all usage errors are reported at once', async (t) => {
  const text = usage(['--frobnicate', '--workers', '0', '--port'], { KUBEWARDEN_LOG_FMT: 'xml' });
  for (const part of ['--frobnicate', "'0' for '--workers", 'required for', "'xml' for '--log-fmt"])
    t.match(text, part);
  t.equal(text.split('Usage:').length, 2, 'the usage line stands there once');
});

test('an argument cannot rewrite the terminal it is echoed to', async (t) => {
  t.notOk(usage(['--\u001b[2J']).includes('\u001b'));
});

test('help, version and docs are commands of their own', async (t) => {
  t.same(parseCommandLine(['--help'], {}), { kind: 'help' });
  t.same(parseCommandLine(['-h', '--port'], {}), { kind: 'help' });
  t.same(parseCommandLine(['help'], {}), { kind: 'help' });
  t.same(parseCommandLine(['-V'], {}), { kind: 'version', long: false });
  t.same(parseCommandLine(['--version'], {}), { kind: 'version', long: true });
  t.same(parseCommandLine(['docs', '--output', 'x.md'], {}), { kind: 'docs', output: 'x.md' });
  t.same(parseCommandLine(['docs', '-o=x.md'], {}), { kind: 'docs', output: 'x.md' });
  t.match(usage(['docs']), 'the following required arguments were not provided:\n  --output <FILE>');
  t.match(usage(['docs', '-o']), 'a value is required');
  t.match(usage(['docs', 'x']), "unexpected argument 'x' found");
});

test('help names every flag with its variable, except hidden ones', async (t) => {
  for (const text of [helpText(), helpMarkdown()]) {
    for (const name of FLAG_NAMES) {
      const row = flagRow(name);
      t.equal(text.includes(`--${name}`) && text.includes(`[env: ${row.env}]`), row.hidden === undefined, name);
    }
  }
  t.match(helpText(), '[default: number of CPUs]');
});

test('the README names flags and variables that exist, and defaults that are', async (t) => {
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const ofNodeAndKwctl = new Set(['max-semi-space-size', 'verification-config-path', 'help']);
  const named = [...readme.matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)].map(([, name = '']) => name);
  const known = new Set<string>(FLAG_NAMES);
  t.same(
    named.filter((name) => !known.has(name) && !ofNodeAndKwctl.has(name)),
    [],
  );
  const variables = new Set(FLAG_NAMES.map((name) => flagRow(name).env));
  for (const [variable] of readme.matchAll(/(?:KUBEWARDEN|PORTCULLIS)_\w+/g)) t.ok(variables.has(variable), variable);
  for (const [, name = '', variable = ''] of readme.matchAll(/\| `--([a-z-]+)` \| `(\w+)` \|/g)) {
    t.equal(flagRow(FLAG_NAMES.find((flag) => flag === name) ?? 'port').env, variable, name);
  }
  t.match(readme, `, ${String(flagRow('policies-download-timeout').fallback)} s unless set`);
});
