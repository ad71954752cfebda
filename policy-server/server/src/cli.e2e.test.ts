import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { guestModule } from '@portcullis/testkit';
import { test } from 'tap';
import { runCommandLine } from './cli.ts';

const MAIN = join(import.meta.dirname, '../bin/policy-server.js');
const folder = await mkdtemp(join(tmpdir(), 'cli-'));
const module = pathToFileURL(join(folder, 'rust.wasm')).href;
await writeFile(join(folder, 'rust.wasm'), await guestModule('wapc-rust'));

async function policiesFile(text: string): Promise<string> {
  const path = join(folder, `policies-${performance.now()}.yml`);
  await writeFile(path, text);
  return path;
}

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process; a server it starts is stopped as soon as it is ready. */
async function run(
  argv: readonly string[],
  options: { env?: Record<string, string>; isTTY?: boolean } = {},
): Promise<Run> {
  let stdout = '';
  let stderr = '';
  let stop: () => void = () => undefined;
  const code = await runCommandLine({
    argv,
    env: options.env ?? {},
    home: '/none',
    cpus: 1,
    stdout: {
      write(text) {
        stdout += text;
        if (text.includes('readiness probe is listening')) stop();
      },
      isTTY: options.isTTY ?? false,
    },
    stderr: { write: (text) => (stderr += text) },
    wallClockMs: () => Date.now(),
    onStop: (listener) => (stop = () => listener('SIGINT')),
    onExit() {},
  });
  return { code, stdout, stderr };
}

const LOOPBACK = ['--addr', '127.0.0.1', '--port', '0', '--readiness-probe-port', '0'];

async function serve(
  policies: string,
  flags: readonly string[] = [],
  options: Parameters<typeof run>[1] = {},
): Promise<Run> {
  return run([...LOOPBACK, '--policies', await policiesFile(policies), ...flags], options);
}

test('help, version and docs', async (t) => {
  t.match(await run(['--help']), { code: 0, stderr: '', stdout: /Usage: policy-server \[OPTIONS\] \[COMMAND\]/ });
  t.match(await run(['-V']), { code: 0, stdout: /^policy-server \d+\.\d+\.\d+\n$/ });
  t.match(await run(['--version']), { code: 0, stdout: /\ncompatible with Kubewarden 1\.36\.0\n\n/ });
  const { stdout: long } = await run(['--version']);
  const [, list = ''] = long.split('\n\nOpen Policy Agent/Gatekeeper implemented builtins:\n');
  const names = list.split('\n').slice(0, -1);
  t.same(names, names.toSorted());
  for (const name of ['sprintf', 'json.patch', 'time.now_ns']) t.ok(names.includes(`  - ${name}`), name);
  t.ok(
    names.every((line) => /^ {2}- [a-z0-9_.]+$/.test(line)),
    'nothing else',
  );
  const path = join(folder, 'cli.md');
  t.same(await run(['docs', '--output', path]), { code: 0, stdout: '', stderr: '' });
  t.match(await readFile(path, 'utf8'), /^# Command-line help for `policy-server`\n/);
  t.match(await run(['docs', '-o', join(folder, 'no', 'cli.md')]), {
    code: 1,
    stderr: /^Error: cannot write .*: No such file or directory \(os error 2\)\n$/,
  });
});

test('a usage error is exit 2, a start-up error exit 1 with Error: as the last line, never a stack trace', async (t) => {
  t.match(await run(['--nope']), { code: 2, stdout: '', stderr: /^error: unexpected argument '--nope' found\n/ });
  const cases: [string[], RegExp][] = [
    [
      ['--policies', join(folder, 'none.yml')],
      /^Error: error while loading policies from ".*": No such file or directory \(os error 2\)\n$/,
    ],
    [
      ['--addr', 'localhost'],
      /^Error: error parsing arguments: invalid socket address syntax \(--addr: expected an IP address, got 'localhost'\)\n$/,
    ],
    [
      ['--port', '99999', '--readiness-probe-port', 'x'],
      /invalid socket address syntax \(--port: .*'99999'; --readiness-probe-port: .*'x'\)\n$/,
    ],
    [
      ['--port', '7777', '--readiness-probe-port', '7777'],
      /^Error: --port and --readiness-probe-port are both 7777: expected two different ports, one for each listener\n$/,
    ],
    [['--policies', folder], /^Error: error while loading policies from ".*": Is a directory \(os error 21\)\n$/],
    [
      ['--policies', '/dev/zero'],
      /^Error: error while loading policies from ".*": expected at most \d+ bytes, got more\n$/,
    ],
    [['--key-file', 'x'], /^Error: both certificate and key must be provided together\n$/],
    [['--cert-file', 'x', '--client-ca-file', 'y'], /^Error: both certificate and key must be provided together\n$/],
    [
      [...LOOPBACK, '--cert-file', '/none.pem', '--key-file', '/none.pem'],
      /^Error: cannot read \/none\.pem: No such file or directory \(os error 2\)\n$/,
    ],
    [
      [...LOOPBACK, '--cert-file', '/dev/zero', '--key-file', '/dev/zero'],
      /^Error: cannot read \/dev\/zero: expected at most \d+ bytes, got more\n$/,
    ],
    [['--cert-file', 'x'], /both certificate and key must be provided together\n$/],
    [['--client-ca-file', 'x'], /client CA certificate requires server certificate and key to be specified\n$/],
  ];
  const empty = await policiesFile('{}');
  for (const [flags, stderr] of cases) {
    const given = flags.includes('--policies') ? flags : ['--policies', empty, ...flags];
    const result = await run(given);
    t.match(result, { code: 1, stderr });
    t.match(result.stderr.trimEnd().split('\n').at(-1), /^Error: /);
    t.notMatch(result.stderr, /\n {4}at /);
  }
  const two = await serve('a: 1\nb: 2\n');
  t.match(
    two.stderr,
    /:1:4: policy 'a'.*\n.*:2:4: policy 'b'.*\nError: error while loading policies from ".*": 2 problems, listed above\n$/,
  );
  const broken = await serve(`a: {module: "file:///none.wasm"}`);
  t.match(broken, { code: 1, stderr: /^Error: bootstrap failure: a: .*No such file or directory \(os error 2\)\n$/ });
});

test('an IPv6 address may stand in brackets', async (t) => {
  const result = await run([
    '--addr',
    '[::1]',
    '--port',
    '0',
    '--readiness-probe-port',
    '0',
    '--policies',
    await policiesFile('{}'),
  ]);
  t.match(result, { code: 0, stdout: /url="http:\/\/\[::1\]:\d+"/ });
});

test('what is not served yet is never ignored in silence', async (t) => {
  const flags = ['daemon-pid-file'];
  const switches = ['enable-metrics', 'enable-pprof', 'daemon'];
  const { stdout, code } = await serve('{}', [
    ...flags.map((flag) => `--${flag}=x`),
    ...switches.map((flag) => `--${flag}`),
    '--log-fmt=otlp',
  ]);
  t.equal(code, 0);
  for (const flag of [...flags, ...switches, 'log-fmt otlp'])
    t.match(stdout, new RegExp(`WARN policy_server: --${flag} \\(KUBEWARDEN_\\w+\\) is not served yet: `), flag);
  t.notMatch((await serve('{}', ['--enable-metrics=false'])).stdout, /not served yet/);
});

test('without a Kubernetes client only policies that need one keep the server from starting', async (t) => {
  const any = `a: {module: "${module}", hostCapabilities: ["*"]}`;
  t.equal((await serve(any)).code, 0);
  for (const need of [
    'contextAwareResources: [{apiVersion: v1, kind: Pod}]',
    'hostCapabilities: ["kubernetes/can_i"]',
  ]) {
    const text = `a: {module: "${module}", ${need}}`;
    t.match(await serve(text), {
      code: 1,
      stderr: /^Error: Cannot connect to Kubernetes, context aware policies would not work properly: .*'a'/,
    });
    const ignored = await serve(text, ['--ignore-kubernetes-connection-failure']);
    t.match(ignored, { code: 0, stdout: /the kubernetes\/\* host capabilities answer with an error/ });
  }
});

test('a terminal gets the table, and colours unless they are switched off', async (t) => {
  const policies = `a: {module: "${module}"}`;
  t.match((await serve(policies, [], { isTTY: true })).stdout, /\nPOLICY {2}MODE .*\na {7}protect  kubewarden-wapc/);
  t.notMatch((await serve(policies)).stdout, /POLICY/);
  t.match((await serve(policies, ['--print-policies'])).stdout, /POLICY/);
  t.ok((await serve(policies, [], { isTTY: true })).stdout.includes('\u001b['));
  t.notOk((await serve(policies, [], { isTTY: true, env: { NO_COLOR: '1' } })).stdout.includes('\u001b['));
  t.notOk((await serve(policies)).stdout.includes('\u001b['));
});

test('a slip of the pen in policies.yml is a warning', async (t) => {
  const { stdout } = await serve(`a: {module: "${module}", alowedToMutate: true}`);
  t.match(
    stdout,
    /WARN policy_server: .*:1:\d+: policy 'a': unknown key 'alowedToMutate' is ignored – did you mean 'allowedToMutate'\?/,
  );
});

test('--disable-timeout-protection leaves the limits of policies themselves', async (t) => {
  const { stdout } = await serve('{}', ['--disable-timeout-protection', '--log-fmt', 'json']);
  const [first = ''] = stdout.split('\n');
  t.match(JSON.parse(first), { level: 'WARN', fields: { message: 'policy timeout protection is disabled' } });
});

async function startProcess(args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  return { child, output };
}

test('SIGTERM: readiness turns false, then exit 0, with nothing on stderr', async (t) => {
  const policies = await policiesFile(`a: {module: "${module}"}`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, output } = await startProcess([...LOOPBACK, '--policies', policies, '--shutdown-delay', '1']);
    for (let waited = 0; !output.stdout.includes('readiness probe is listening') && waited < 400; waited++)
      await sleep(50);
    const readiness = /readiness probe is listening url="([^"]+)"/.exec(output.stdout)?.[1] ?? '';
    t.equal((await fetch(readiness)).status, 200);
    child.kill(signal);
    if (signal === 'SIGTERM') {
      await sleep(200);
      t.equal((await fetch(readiness)).status, 503);
    }
    const [code, killedBy] = await once(child, 'close');
    t.same([code, killedBy], [0, null], signal);
    t.equal(output.stderr, '', 'no warnings of Node either');
  }
});

test('FIX: a reader that stops reading is no reason for an error', async (t) => {
  const child = spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const [code] = await once(child, 'close');
  t.same([code, stderr], [0, '']);
});

test('an older Node gets a message before anything else', async (t) => {
  const pretend = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.2"})';
  const child = spawn(process.execPath, ['--import', pretend, MAIN, '--version'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, 'close');
  t.equal(code, 1);
  t.equal(Buffer.concat(chunks).toString(), 'Error: policy-server needs Node.js 24.20 or newer, this is 20.20.2\n');
});

test('the process starts itself again with a small young generation, once, unless it was told the size', async (t) => {
  const report =
    'process.stdout.write(`${process.pid} ${process.execArgv[0]} ${process.env.MALLOC_MMAP_THRESHOLD_}\\n`)';
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(report)}`];
  const start = async (flags: readonly string[], env = {}): Promise<readonly string[][]> => {
    const bare = { ...process.env };
    delete bare['MALLOC_MMAP_THRESHOLD_'];
    delete bare['NODE_OPTIONS'];
    const child = spawn(process.execPath, [...flags, ...preload, MAIN, '--version'], { env: { ...bare, ...env } });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    t.same(await once(child, 'close'), [0, null]);
    return stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' '));
  };
  const pid = /^\d+$/;
  const [first, second, ...rest] = await start([]);
  t.match(first, [pid, '--import', 'undefined']);
  t.same(second, [first?.[0], '--max-semi-space-size=2', '131072'], 'as the same process');
  t.match(rest, [['policy-server']]);
  t.match(await start(['--max-semi-space-size=16']), [
    [pid, '--max-semi-space-size=16', 'undefined'],
    ['policy-server'],
  ]);
  t.match(await start([], { NODE_OPTIONS: '--max_semi_space_size=16' }), [[pid], ['policy-server']]);
  t.match((await start([], { MALLOC_MMAP_THRESHOLD_: '99999' }))[1], [pid, '--max-semi-space-size=2', '99999']);
});
