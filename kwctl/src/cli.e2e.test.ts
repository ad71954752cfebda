import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { test } from 'tap';
import { KWCTL, kwctl } from './test/kwctl-process.ts';
import { VERSION } from './version.ts';

test('the program itself: streams, exit codes, versions', async (t) => {
  const cwd = t.testdir({});
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
  t.equal(VERSION, manifest.version);
  t.same(await kwctl(['-V'], { cwd }), { code: 0, stdout: `kwctl ${VERSION}\n`, stderr: '' });
  const long = await kwctl(['--version'], { cwd });
  t.match(long, { code: 0, stderr: '' });
  t.match(long.stdout, new RegExp(`^kwctl ${VERSION}\n\n.*\`info\`.*\n\n$`));
  const bare = await kwctl([], { cwd });
  t.match(bare, { code: 2, stdout: '' });
  t.match(bare.stderr, /^Tool to manage Kubewarden policies\n\nUsage: kwctl \[OPTIONS\] <COMMAND>\n\nCommands:\n/);
  t.match(await kwctl(['help'], { cwd }), { code: 0, stdout: bare.stderr, stderr: '' });
  t.match(await kwctl(['run', '-v'], { cwd }), {
    code: 2,
    stdout: '',
    stderr: /^error: unexpected argument '-v' found/,
  });
});

test('starting costs little: kwctl --version', async (t) => {
  const cwd = t.testdir({});
  const script = `const before = process.resourceUsage(); process.argv.push('kwctl', '-V'); process.on('exit', () => {
    const { userCPUTime, systemCPUTime } = process.resourceUsage(); process.stderr.write(String((userCPUTime + systemCPUTime) / 1000)); });
    await import(${JSON.stringify(pathToFileURL(KWCTL).href)});`;
  const cpuMs = async (): Promise<number> => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd });
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
    await new Promise((resolve) => child.on('close', resolve));
    return Number(text);
  };
  await cpuMs(); // fills the compile cache
  const best = Math.min(await cpuMs(), await cpuMs(), await cpuMs(), await cpuMs());
  t.ok(best > 0 && best < 80, `${best} ms of CPU`);
});

test('HOME= is no home: what is kept never lands in the working directory', async (t) => {
  const { stdout } = await kwctl(['info'], { cwd: t.testdir({}), env: { HOME: '', XDG_CACHE_HOME: '' } });
  t.match(stdout, /\nPolicy store: \/.*\nConfig directory: \/.*\nkwctl cache directory: \//);
});

test('a reader that goes away is no error', async (t) => {
  const cwd = t.testdir({});
  for (const args of [['help', 'run'], ['info'], ['completions', '-s', 'zsh']]) {
    const child = spawn(process.execPath, [KWCTL, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const code = await new Promise((resolve) => child.on('close', resolve));
    t.same({ code, stderr }, { code: 0, stderr: '' }, args.join(' '));
  }
});

test('errors: one line for what is foreseen, and nothing in it moves the cursor of the terminal', async (t) => {
  const cwd = t.testdir({ 'review.json': '{}' });
  const name = 'no\u001b[2Jne.wasm';
  t.same(await kwctl(['run', '-r', 'review.json', name], { cwd }), {
    code: 1,
    stdout: '',
    stderr: 'Error: Cannot find policy with uri: no\\u{1b}[2Jne.wasm\n',
  });
  const nowhere = await kwctl(['docs', '-o', 'none/cli.md'], { cwd });
  t.equal(nowhere.stderr, 'Error: cannot create file none/cli.md: No such file or directory (os error 2)\n');
  const full = await kwctl(['docs', '-o', '/dev/full'], { cwd });
  t.match(full, { code: 1, stdout: '', stderr: /^Error: cannot create file \/dev\/full: .*\n$/ });
});
