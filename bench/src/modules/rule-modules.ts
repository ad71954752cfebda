import { join } from 'node:path';
import { runCommand, rustEnv, toolFolder } from '@portcullis/testkit';
import { builtGuest } from './built-guest.ts';
import { typescriptPolicy } from './typescript-policy.ts';

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
        const env = { ...rustEnv(await toolFolder('rust-wasi')), CARGO_TARGET_DIR: join(folder, 'target') };
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
  typescript: () => typescriptPolicy('pod-privileged'),
};

export async function opaProgram(): Promise<string> {
  return join(await toolFolder('opa'), 'opa');
}
