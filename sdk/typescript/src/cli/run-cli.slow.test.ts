import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'tap';
import type { Test } from 'tap';
import { defaultCacheDir } from '../build.ts';
import { runCli } from './run-cli.ts';

const SDK = fileURLToPath(new URL('../index.ts', import.meta.url));

async function run(args: readonly string[], folder: string) {
  let out = '';
  let error = '';
  const code = await runCli(args, {
    environment: process.env,
    folder,
    writeOut: (text) => (out += text),
    writeError: (text) => (error += text),
  });
  return { code, out, error };
}

async function policyFolder(t: Test, body = 'return accept();'): Promise<string> {
  const folder = t.testdir({ src: {}, 'metadata.yml': 'rules: []\nmutating: false\n' });
  const source = `import { accept, definePolicy } from ${JSON.stringify(SDK)};\nexport const policy = definePolicy({ validate() { ${body} } });\n`;
  await mkdir(join(folder, 'src'), { recursive: true });
  await writeFile(join(folder, 'src/policy.ts'), source);
  return folder;
}

test('build writes the module, reports on stdout and tells progress on stderr', async (t) => {
  const folder = await policyFolder(t);
  const { code, out, error } = await run(['build'], folder);
  t.equal(code, 0, error);
  t.match(
    out,
    /^build\/policy\.wasm {2}sha256:[0-9a-f]{64}\nmodule \d+\.\d kB \(\d+\.\d kB compressed\), script \d+\.\d kB, of it:\n/,
  );
  t.match(error, /^Bundling the policy\n(?:.*\n)*(?:Built|Taken from the cache) in \d+\.\d s\n$/);
  t.ok(WebAssembly.validate(Uint8Array.from(await readFile(join(folder, 'build/policy.wasm')))));
});

test('build takes a folder, an output and a cache', async (t) => {
  const folder = await policyFolder(t);
  const args = ['build', folder, '-o', 'out/p.wasm', '--cache-dir', 'cache'];
  t.match(await run(args, folder), { code: 0, out: /^out\/p\.wasm/, error: /Built in/ });
  t.match(await run(args, folder), { code: 0, error: /Taken from the cache/ });
  t.match(await run([...args, '--no-cache'], folder), { code: 0, error: /Built in/ });
});

test('mistakes are texts with an exit code, never stack traces', async (t) => {
  const folder = await policyFolder(t, 'return accept(); } }); import("./x.ts"); ({ x() {');
  const cases: [args: string[], code: number, error: RegExp][] = [
    [[], 2, /^error: no command - expected build\n\nBuild admission/],
    [['deploy'], 2, /^error: unknown command deploy - expected build\n/],
    [['build', 'a', 'b'], 2, /^error: expected one folder, got 2\n/],
    [['build', '--fast'], 2, /^error: Unknown option '--fast'/],
    [['build', 'missing'], 1, /^error: There is no metadata\.yml in .*missing - expected the folder of a policy\n$/],
    [['build'], 1, /^Bundling the policy\nerror: src\/policy\.ts:2:\d+: import\("\.\/x\.ts"\) loads code at run time/],
    [['build', '-o', 'metadata.yml/x'], 1, /error: /],
  ];
  for (const [args, code, error] of cases) {
    const result = await run(args, folder);
    t.match(result, { code, error, out: '' }, args.join(' '));
    t.notMatch(result.error, /\n {4}at /);
  }
  t.match(await run(['--help'], folder), { code: 0, out: /^Build admission policies/, error: '' });
});

test('the cache folder follows XDG_CACHE_HOME where it is absolute', (t) => {
  t.equal(defaultCacheDir({ XDG_CACHE_HOME: '/c' }), '/c/portcullis/policies');
  t.match(defaultCacheDir({ XDG_CACHE_HOME: 'relative' }), /\/\.cache\/portcullis\/policies$/);
  t.equal(defaultCacheDir({}), defaultCacheDir({ XDG_CACHE_HOME: '' }));
  t.end();
});
