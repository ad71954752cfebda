import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand, toolFolder } from '@portcullis/testkit';
import { builtGuest } from './built-guest.ts';

const ROOT = join(import.meta.dirname, '../../..');
export const REGO_RULE = join(import.meta.dirname, '../../guests/pod-privileged-rego/policy.rego');

export const RULE_LANGUAGES = ['rust', 'typescript', 'rego'] as const;
export type RuleLanguage = (typeof RULE_LANGUAGES)[number];

/** One rule – no privileged containers – as a module, written in each language. */
export function ruleModule(language: RuleLanguage): Promise<Uint8Array> {
  return BUILDS[language]();
}

const BUILDS: Readonly<Record<RuleLanguage, () => Promise<Uint8Array>>> = {
  rust: () =>
    builtGuest({
      name: 'pod-privileged-rust',
      sources: 'pod-privileged-rust',
      mode: 'kubewarden-wapc',
      programs: ['cargo'],
      build: async (folder) => {
        const env = { ...rustEnvironment(await toolFolder('rust-wasi')), CARGO_TARGET_DIR: join(folder, 'target') };
        await runCommand('cargo', ['build', '--target', 'wasm32-wasip1', '--release'], { cwd: folder, env });
        return join(folder, 'target/wasm32-wasip1/release/guest.wasm');
      },
    }),
  rego: () =>
    builtGuest({
      name: 'pod-privileged-rego',
      sources: 'pod-privileged-rego',
      mode: 'opa',
      programs: ['tar'],
      build: async (folder) => {
        const args = ['build', '-t', 'wasm', '-e', 'policy/main', '-o', 'bundle.tar.gz', 'policy.rego'];
        await runCommand(await opaProgram(), args, { cwd: folder });
        await runCommand('tar', ['xzf', 'bundle.tar.gz', '/policy.wasm'], { cwd: folder });
        return join(folder, 'policy.wasm');
      },
    }),
  // The policy as it is published, built as its author would build it.
  typescript: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-bench-'));
    try {
      const output = join(folder, 'policy.wasm');
      const cli = join(ROOT, 'sdk/typescript/src/cli.ts');
      const args = [cli, 'build', '--output', output, join(ROOT, 'policies/pod-privileged')];
      await promisify(execFile)(process.execPath, args);
      return await readFile(output);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

export async function opaProgram(): Promise<string> {
  return join(await toolFolder('opa'), 'opa');
}

/** Makes cargo use the unpacked sysroot with std for wasm32-wasip1. */
function rustEnvironment(sysroot: string): Record<string, string> {
  const usr = join(sysroot, 'usr');
  return {
    RUSTC: join(usr, 'bin/rustc'),
    PATH: `${process.env['PATH'] ?? ''}:${join(usr, 'bin')}`,
    LD_LIBRARY_PATH: join(usr, 'lib/x86_64-linux-gnu'),
  };
}
