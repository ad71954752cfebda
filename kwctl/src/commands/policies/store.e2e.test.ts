import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { policyModule } from '@portcullis/testkit';
import { test } from 'tap';
import type { CommandContext } from '../../environment.ts';
import { formatBytes } from '../../output/byte-size.ts';
import { startPullProgress } from '../../output/progress.ts';
import { asciiTable } from '../../output/table.ts';
import { locatePolicy, locateStoredPolicy } from '../../policy-location.ts';
import { kwctlHere } from '../../test/kwctl-here.ts';
import { kwctl, withoutMetadata } from '../../test/kwctl-process.ts';

const NOTHING = { code: 0, stdout: '', stderr: '' };
const PLAIN = await policyModule({ label: 'plain' });
const MUTATING = await policyModule({
  label: 'mutating',
  metadata: { mutating: true, contextAwareResources: [{ apiVersion: 'v1', kind: 'Namespace' }] },
  paddingBytes: 1_234_567,
});
const BARE = withoutMetadata(PLAIN);

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function put(cwd: string, name: string, bytes: Uint8Array | string): string {
  const path = join(cwd, 'cache/kubewarden/store', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return all.filter((path) => statSync(join(folder, path)).isFile()).sort();
}

const stored = (cwd: string): string[] => filesBelow(join(cwd, 'cache/kubewarden/store'));

test('policies prints nothing for an empty store, and a table that scripts can cut apart', async (t) => {
  const cwd = t.testdir({});
  t.same(await kwctlHere(cwd, ['policies']), NOTHING);
  t.same(await kwctlHere(cwd, ['policies', '--json']), { ...NOTHING, stdout: '[]\n' });
  put(cwd, 'registry/ghcr.io/a/una:v1', BARE);
  put(cwd, 'registry/ghcr.io/a/p:v1', PLAIN);
  put(cwd, 'https/example.com/m.wasm', MUTATING);
  const { stdout, code, stderr } = await kwctlHere(cwd, ['policies']);
  t.same([code, stderr], [0, '']);
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |\n`;
  const widths = [27, 8, 13, 12, Math.max(7, formatBytes(PLAIN.length).length, formatBytes(BARE.length).length)];
  const border = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+\n`;
  const short = (bytes: Uint8Array): string => sha256(bytes).slice(0, 12);
  const rows = [
    ['Policy', 'Mutating', 'Context aware', 'SHA-256', 'Size'],
    ['https://example.com/m.wasm', 'yes', 'yes', short(MUTATING), '1.24 MB'],
    ['registry://ghcr.io/a/p:v1', 'no', 'no', short(PLAIN), formatBytes(PLAIN.length)],
    ['registry://ghcr.io/a/una:v1', 'unknown', 'no', short(BARE), formatBytes(BARE.length)],
  ];
  t.equal(stdout, border + rows.map((cells) => row(cells) + border).join(''));
  t.same(await kwctl(['policies'], { cwd }), { code, stdout, stderr }, 'the program prints the same');
});

test('FIX: one broken file does not hide the others', async (t) => {
  const cwd = t.testdir({});
  put(cwd, 'registry/ghcr.io/a/p:v1', PLAIN);
  put(cwd, 'https/example.com/page.wasm', '<html>');
  put(cwd, 'https/example.com/\u001b[2J.wasm', Buffer.concat([PLAIN, Buffer.from([0, 1])]));
  const { code, stdout, stderr } = await kwctlHere(cwd, ['policies']);
  t.equal(code, 0);
  t.match(stdout, /\| https:\/\/example\.com\/page\.wasm +\| invalid +\| unknown +\| [0-9a-f]{12} \| 6 B +\|/);
  t.match(stdout, /\| https:\/\/example\.com\/\\u\{1b\}\[2J\.wasm +\| invalid /);
  t.match(stdout, /\| registry:\/\/ghcr\.io\/a\/p:v1 +\| no /);
  t.match(
    stderr,
    / WARN kwctl::policies: error processing metadata of policy https:\/\/example\.com\/page\.wasm: invalid wasm file/,
  );
  const listed = JSON.parse((await kwctlHere(cwd, ['policies', '--json'])).stdout);
  t.match(listed, [
    { uri: /2J/, mutating: null, error: /./ },
    {
      uri: 'https://example.com/page.wasm',
      sha256: sha256(Buffer.from('<html>')),
      sizeBytes: 6,
      mutating: null,
      contextAware: null,
      error: /^invalid wasm file/,
    },
    {
      uri: 'registry://ghcr.io/a/p:v1',
      path: join(cwd, 'cache/kubewarden/store/registry/ghcr.io/a/p:v1'),
      sha256: sha256(PLAIN),
      sizeBytes: PLAIN.length,
      mutating: false,
      contextAware: false,
      error: null,
    },
  ]);
});

test('rm takes a URI, a reference or the beginning of a SHA-256, and the empty folders along', async (t) => {
  const cwd = t.testdir({ 'p.wasm': 'x' });
  put(cwd, 'registry/ghcr.io/a/p:v1', PLAIN);
  put(cwd, 'registry/ghcr.io/a/m:latest', MUTATING);
  put(cwd, 'https/example.com/x/m.wasm', BARE);
  put(cwd, 'registry/ghcr.io/a/odd:latest@sha256:1:latest', 'odd');
  t.same(await kwctlHere(cwd, ['rm', 'ghcr.io/a/m']), NOTHING);
  t.same(await kwctlHere(cwd, ['rm', sha256(BARE).slice(0, 8)]), NOTHING);
  t.same(await kwctlHere(cwd, ['rm', sha256(Buffer.from('odd'))]), NOTHING, 'also what no location names');
  t.same(stored(cwd), ['registry/ghcr.io/a/p:v1']);
  t.notOk(existsSync(join(cwd, 'cache/kubewarden/store/https')));
  t.same(await kwctlHere(cwd, ['rm', ' registry://ghcr.io/a/p:v1 ']), NOTHING);
  put(cwd, 'registry/ghcr.io/a/one:v1', PLAIN);
  put(cwd, 'registry/ghcr.io/a/two:v1', PLAIN);
  const prefix = sha256(PLAIN).slice(0, 9);
  for (const [text, message] of [
    ['non-existing', 'Cannot find policy with uri: registry://docker.io/library/non-existing:latest'],
    ['registry://ghcr.io/a/p:v1', 'Cannot find policy with uri: registry://ghcr.io/a/p:v1'],
    ['https://example.com/x/m.wasm', 'Cannot find policy with uri: https://example.com/x/m.wasm'],
    [
      prefix,
      `Cannot find policy with uri: registry://docker.io/library/${prefix}:latest – multiple policies found with the same prefix: ${prefix}`,
    ],
    ['', 'Cannot find policy with uri: '],
    [join(cwd, 'p.wasm'), 'unknown scheme: file – files are used where they are, not stored'],
    ['ftp://h/p', /^unknown scheme: ftp/],
  ] as const) {
    const outcome = await kwctlHere(cwd, ['rm', text]);
    t.same([outcome.code, outcome.stdout], [1, ''], text);
    t.match(
      outcome.stderr,
      typeof message === 'string' ? `Error: ${message}\n` : new RegExp(message.source.replace('^', '^Error: ')),
      text,
    );
  }
  t.equal(stored(cwd).length, 2, 'what is ambiguous is not removed');
});

test('a command line names a policy by scheme, file, SHA-256 or reference, in this order', async (t) => {
  const cwd = t.testdir({ [sha256(PLAIN).slice(0, 4)]: 'a file', store: {} });
  const path = put(cwd, 'registry/ghcr.io/a/p:latest', PLAIN);
  const context: CommandContext = {
    environment: {
      env: { XDG_CACHE_HOME: join(cwd, 'cache') },
      home: cwd,
      stdin: { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }) },
      write: () => undefined,
      writeError: () => undefined,
      terminal: { stdoutColumns: undefined, isStderrTerminal: false },
      now: () => new Date(),
    },
    log: () => undefined,
  };
  t.match(await locatePolicy(' registry://ghcr.io/a/p ', context), {
    location: { url: 'registry://ghcr.io/a/p:latest' },
    storedOnly: false,
  });
  t.match(await locatePolicy(join(cwd, sha256(PLAIN).slice(0, 4)), context), {
    location: { scheme: 'file' },
    storedOnly: false,
  });
  t.match(await locatePolicy(sha256(PLAIN).slice(0, 5), context), {
    location: { url: 'registry://ghcr.io/a/p:latest' },
    storedOnly: true,
    stored: { path },
  });
  for (const text of ['ghcr.io/b/q', 'localhost/q:v1', '127.0.0.1:5000/q:v1', 'docker.io/library/q']) {
    t.match(
      await locatePolicy(text, context),
      { location: { scheme: 'registry' }, storedOnly: false },
      `SUPERSET: ${text}`,
    );
  }
  put(cwd, 'registry/ghcr.io/a/again:v1', PLAIN);
  for (const [text, message] of [
    ['policies/misspelt.wasm', 'Cannot find policy with uri: policies/misspelt.wasm'],
    ['misspelt.wasm', 'Cannot find policy with uri: misspelt.wasm'],
    ['./misspelt.wasm', 'Cannot find policy with uri: ./misspelt.wasm'],
    ['../x/misspelt.wasm', 'Cannot find policy with uri: ../x/misspelt.wasm'],
    [
      sha256(PLAIN).slice(0, 5).toUpperCase(),
      `Cannot find policy with uri: ${sha256(PLAIN).slice(0, 5).toUpperCase()}`,
    ],
    ['', 'Cannot find policy with uri: '],
    [sha256(PLAIN).slice(0, 6), `multiple policies found with the same prefix: ${sha256(PLAIN).slice(0, 6)}`],
    ['ftp://h/p', /^unknown scheme: ftp/],
  ] as const) {
    await t.rejects(locatePolicy(text, context), { code: 'policy-not-found', message }, text);
  }
  t.match(await locateStoredPolicy('q', context), { location: { url: 'registry://docker.io/library/q:latest' } });
  await t.rejects(locateStoredPolicy('./q', context), { message: 'Cannot find policy with uri: ./q' });
});

test('save and load carry policies from one store to another', async (t) => {
  const cwd = t.testdir({ 'local.wasm': PLAIN });
  const there = join(cwd, 'there');
  mkdirSync(there);
  put(cwd, 'registry/ghcr.io/a/p:v1', PLAIN);
  put(cwd, 'https/example.com/x/m.wasm', MUTATING);
  const archive = join(cwd, 'a.tar.gz');
  // Positionals before the option: that is how scripts call it; and by SHA-256.
  t.same(await kwctlHere(cwd, ['save', 'registry://ghcr.io/a/p:v1', sha256(MUTATING), '--output', archive]), NOTHING);
  t.same(
    execFileSync('tar', ['tzf', archive], { encoding: 'utf8' }),
    'https/example.com/x/m.wasm\nregistry/ghcr.io/a/p:v1\n',
  );
  t.same(await kwctlHere(there, ['load', '--input', archive]), NOTHING);
  t.same(stored(there), stored(cwd));
  t.equal((await kwctlHere(there, ['policies'])).stdout, (await kwctlHere(cwd, ['policies'])).stdout);
  t.same(await kwctl(['load', '--input', archive], { cwd: there }), NOTHING, 'the program does the same');

  const before = readFileSync(archive);
  for (const [args, message] of [
    [
      ['save', '-o', archive, 'ghcr.io/a/none:v1'],
      'cannot find policy ghcr.io/a/none:v1: Cannot find policy with uri: registry://ghcr.io/a/none:v1',
    ],
    [
      ['save', '-o', archive, 'registry://ghcr.io/a/p:v1', 'nope'],
      'cannot find policy nope: Cannot find policy with uri: nope',
    ],
    [
      ['save', '-o', archive, join(cwd, 'local.wasm')],
      /^cannot find policy .*local\.wasm: a local file has no place in a store/,
    ],
    [
      ['save', '-o', join(cwd, 'none/a.tar.gz'), 'ghcr.io/a/p:v1'],
      `cannot create file ${join(cwd, 'none/a.tar.gz')}: No such file or directory (os error 2)`,
    ],
    [
      ['load', '--input', join(cwd, 'none')],
      `cannot open file ${join(cwd, 'none')}: No such file or directory (os error 2)`,
    ],
    [
      ['load', '--input', join(cwd, 'local.wasm')],
      `cannot unpack file ${join(cwd, 'local.wasm')}: failed to iterate over archive`,
    ],
  ] as const) {
    const outcome = await kwctlHere(cwd, args);
    t.same([outcome.code, outcome.stdout], [1, '']);
    const expected =
      typeof message === 'string' ? `Error: ${message}` : new RegExp(message.source.replace('^', '^Error: '));
    t.match(outcome.stderr, expected);
  }
  t.ok(readFileSync(archive).equals(before), 'FIX: errors leave the archive that was there');
  const empty = join(cwd, 'empty');
  mkdirSync(empty);
  writeFileSync(archive, gzipSync('no tar').subarray(0, 10));
  t.equal((await kwctlHere(empty, ['load', '--input', archive])).code, 1);
  t.same(filesBelow(empty), [], 'and nothing in the store');
});

test('sizes, tables and progress for people', async (t) => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [1536, '1.54 kB'],
    [3_020_000, '3.02 MB'],
    [1_500_000_000, '1.5 GB'],
    [5e15, '5000 TB'],
  ] as const) {
    t.equal(formatBytes(bytes), text);
  }
  t.equal(
    asciiTable(['A'], [['x\ny'], ['\u001b[31m']]),
    '+------------+\n| A          |\n+------------+\n| x\\ny       |\n+------------+\n| \\u{1b}[31m |\n+------------+\n',
  );
  let shown = '';
  const terminal = { stdoutColumns: 60, isStderrTerminal: true };
  const environment = {
    env: {},
    home: '/',
    stdin: {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true as const, value: undefined }) }),
    },
    write: () => undefined,
    writeError: (text: string) => void (shown += text),
    terminal,
    now: () => new Date(),
  };
  const progress = await startPullProgress(`registry://ghcr.io/${'long/'.repeat(20)}p:v1`, environment);
  progress.onProgress({ receivedBytes: 500, totalBytes: 1000 });
  progress.interrupt();
  await new Promise((resolve) => setTimeout(resolve, 250));
  progress.fail('it\u001b[2Jbroke');
  t.match(shown, /… 500 B\/1 kB/, 'a long name is cut, the numbers are not');
  t.ok(shown.endsWith('\r\u001b[KFailed to pull policy: it\\u{1b}[2Jbroke\n'), JSON.stringify(shown));
  shown = '';
  const quiet = await startPullProgress('registry://h/p:v1', {
    ...environment,
    terminal: { ...terminal, isStderrTerminal: false },
  });
  quiet.onProgress({ receivedBytes: 1, totalBytes: 2 });
  quiet.succeed();
  t.equal(shown, '', 'nothing off a terminal');
});
