import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../tools/command.ts';
import { rustEnv } from '../tools/rust-wasi.ts';
import type { ToolName } from '../tools/tools.ts';

/** How one guest is made from its folder. */
export interface GuestRecipe {
  /** Metadata the built module carries; `{}` keys as in metadata.yml. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Tools besides what npm installs. */
  readonly tools: readonly ToolName[];
  readonly programs: readonly string[];
  /** Folders outside of the guest's own whose sources become part of it, relative to the folder of all guests. */
  readonly alsoFrom?: readonly string[];
  build(folder: string, tool: (name: ToolName) => Promise<string>): Promise<Uint8Array>;
}

const RULES = [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], operations: ['*'] }];

async function inTemporaryFolder(build: (folder: string) => Promise<Uint8Array>): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-guest-'));
  try {
    return await build(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function rego(mode: 'opa' | 'gatekeeper', entrypoint: string): GuestRecipe {
  return {
    metadata: { protocolVersion: 'Unknown', rules: RULES, mutating: mode === 'opa', executionMode: mode },
    tools: ['opa'],
    programs: [],
    build: (folder, tool) =>
      inTemporaryFolder(async (out) => {
        const opa = join(await tool('opa'), 'opa');
        await runCommand(opa, ['build', '-t', 'wasm', '-e', entrypoint, '-o', join(out, 'bundle.tar.gz'), 'policy.rego'], {
          cwd: folder,
        });
        await runCommand('tar', ['xzf', 'bundle.tar.gz', '/policy.wasm'], { cwd: out });
        return readFile(join(out, 'policy.wasm'));
      }),
  };
}

const WAPC_METADATA = { protocolVersion: 'v1', rules: RULES, mutating: true, executionMode: 'kubewarden-wapc' };

export const RECIPES = {
  'wapc-rust': {
    metadata: WAPC_METADATA,
    tools: ['rust-wasi'],
    programs: ['cargo'],
    build: (folder, tool) =>
      inTemporaryFolder(async (out) => {
        const env = { ...rustEnv(await tool('rust-wasi')), CARGO_TARGET_DIR: out };
        await runCommand('cargo', ['build', '--target', 'wasm32-wasip1', '--release'], { cwd: folder, env });
        return readFile(join(out, 'wasm32-wasip1', 'release', 'guest.wasm'));
      }),
  },
  'wasi-go': {
    metadata: { protocolVersion: 'Unknown', rules: RULES, mutating: true, executionMode: 'wasi' },
    tools: [],
    programs: ['go'],
    build: (folder) =>
      inTemporaryFolder(async (out) => {
        const env = { GOOS: 'wasip1', GOARCH: 'wasm', GOTOOLCHAIN: 'local' };
        await runCommand('go', ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(out, 'guest.wasm'), '.'], { cwd: folder, env });
        return readFile(join(out, 'guest.wasm'));
      }),
  },
  // The AssemblyScript compiler and jco are npm packages: always buildable.
  'wapc-assemblyscript': {
    metadata: WAPC_METADATA,
    tools: [],
    programs: [],
    alsoFrom: ['../../../sdk/assemblyscript/assembly', '../../../sdk/assemblyscript/src'],
    build: async (folder) => (await import('../../guests/wapc-assemblyscript/build.ts')).build(folder),
  },
  component: {
    metadata: { ...WAPC_METADATA, executionMode: 'component' },
    tools: [],
    programs: [],
    build: async (folder) => (await import('../../guests/component/build.ts')).build(folder),
  },
  'rego-opa': rego('opa', 'policy/main'),
  'rego-gatekeeper': rego('gatekeeper', 'policy/violation'),
} as const satisfies Record<string, GuestRecipe>;

export type GuestName = keyof typeof RECIPES;
export const GUEST_NAMES = Object.keys(RECIPES) as GuestName[];
