import { execFileSync, spawn } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { test } from 'tap';
import { readFile, writeWholeFile } from './file.ts';
import { folder, KWCTL, line } from './test/kwctl-process.ts';

/** Runs kwctl in a shell, whose words can be pipes and redirections. */
async function shell(cwd: string, script: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn('bash', ['-c', `kwctl() { "${process.execPath}" "${KWCTL}" "$@"; }\n${script}`], { cwd });
  const outcome = { code: null as number | null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text));
  outcome.code = await new Promise((resolve) => child.on('close', resolve));
  return outcome;
}

test('a file is replaced in one step; links, pipes and devices are written to and stay what they are', async (t) => {
  const dir = t.testdir({ 'old.txt': 'old', sub: {} });
  const at = (name: string): string => join(dir, name);
  await writeWholeFile(at('new.txt'), 'new');
  await writeWholeFile(at('old.txt'), 'new');
  symlinkSync('old.txt', at('link'));
  await writeWholeFile(at('link'), 'through the link');
  symlinkSync('later.txt', at('dangling'));
  await writeWholeFile(at('dangling'), 'later');
  execFileSync('mkfifo', [at('pipe')]);
  const [read] = await Promise.all([readFile(at('pipe'), 100), writeWholeFile(at('pipe'), 'piped')]);
  t.same(
    [readFileSync(at('new.txt'), 'utf8'), readFileSync(at('old.txt'), 'utf8'), readFileSync(at('later.txt'), 'utf8')],
    ['new', 'through the link', 'later'],
  );
  t.equal(Buffer.from(read).toString(), 'piped');
  t.ok(lstatSync(at('link')).isSymbolicLink());
  t.ok(lstatSync(at('dangling')).isSymbolicLink());
  t.ok(lstatSync(at('pipe')).isFIFO());
  await t.rejects(writeWholeFile(at('sub'), 'x'), { code: 'EISDIR' });
  await t.rejects(writeWholeFile(at('none/x'), 'x'), { code: 'ENOENT' });
  t.same(
    readdirSync(dir).filter((name) => name.endsWith('.tmp')),
    [],
    'no draft stays',
  );
  await t.rejects(readFile(at('old.txt'), 3), /old\.txt': it is larger than the limit of 3 bytes$/);
  await t.rejects(readFile(at('sub'), 3), /sub': Is a directory \(os error 21\)$/);
});

test('annotate and record never replace what is no file', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  writeFileSync(join(cwd, 'metadata.yml'), 'rules: []\nmutating: false\n');
  const annotated = await shell(
    cwd,
    `mkfifo out; cat out > copy.wasm & kwctl annotate -m <(cat metadata.yml) -o out wapc-rust.wasm && wait && test -p out && kwctl inspect -o yaml copy.wasm`,
  );
  t.match(annotated, { code: 0, stdout: /^protocolVersion: v1\nrules: \[\]\nannotations:\n  io.kubewarden.kwctl: / });
  const recorded = await shell(
    cwd,
    `mkfifo session; cat session >&2 & kwctl run -r review.json --record-host-capabilities-interactions session wapc-rust.wasm && wait && test -p session`,
  );
  t.match(recorded, { code: 0, stdout: line(true), stderr: /saved to file/ });
});

test('everything that is read may be a pipe', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const outcome = await shell(
    cwd,
    `kwctl run -r <(cat review.json) -s <(echo 'behaviour: reject') --replay-host-capabilities-interactions <(echo '[]') <(cat wapc-rust.wasm)`,
  );
  t.match(outcome, { code: 0, stdout: line(false, ',"status":{"message":"rejected by guest"}') });
});

test('nobody reads: a closed pipe is no failure, a full disk is, a closed log loses no answer', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  const run = 'kwctl run -r review.json';
  t.same(await shell(cwd, `${run} wapc-rust.wasm | head -c 1; exit \${PIPESTATUS[0]}`), {
    code: 0,
    stdout: '{',
    stderr: '',
  });
  t.match(await shell(cwd, `${run} wapc-rust.wasm > /dev/full`), {
    code: 1,
    stderr: /^Error: cannot write to stdout: .*no space left on device/,
  });
  const logged = `{ ${run} --settings-json '{"behaviour":"log"}' wapc-rust.wasm 2>&1 1>answer; echo $? > code; } | true`;
  await shell(cwd, `${logged}; sleep 0.1`);
  t.equal(readFileSync(join(cwd, 'answer'), 'utf8'), line(true));
  t.equal(readFileSync(join(cwd, 'code'), 'utf8'), '0\n');
});
