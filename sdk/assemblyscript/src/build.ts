import { compile } from './compile.ts';
import { BuildError } from './errors.ts';

/** How to build a policy. */
export interface BuildOptions {
  /** Path of the policy's entry file, which exports `__guest_call`. */
  readonly entry: string;
  /** @default true: smaller and faster, but takes seconds */
  readonly optimize?: boolean;
}

const ABORT = '~lib/@portcullis/assemblyscript/assembly/wapc/wapcAbort';

/**
 * Builds a policy to a WebAssembly module that imports the waPC functions and nothing else. Metadata is not part of it:
 * that is added by `kwctl annotate`.
 *
 * The module never frees memory: each evaluation begins with a new instance, and collecting garbage costs more than it
 * gives in the milliseconds between.
 *
 * @example
 * await writeFile('policy.wasm', await buildPolicy({ entry: 'assembly/policy.ts' }));
 *
 * @throws BuildError
 */
export async function buildPolicy({ entry, optimize = true }: BuildOptions): Promise<Uint8Array> {
  const flags = ['--runtime', 'stub', '--use', `abort=${ABORT}`, ...(optimize ? ['-O3'] : [])];
  const bytes = await compile({ entry, flags });
  requireWapcImports(bytes);
  return bytes;
}

/** TypeScript knows WebAssembly from the types of browsers only, and whoever builds a policy for a server need not have those. */
interface Platform {
  readonly WebAssembly: {
    readonly Module: {
      new (bytes: Uint8Array): object;
      imports(module: object): readonly { readonly module: string; readonly name: string }[];
    };
  };
}

/** `Math.random()`, `Date.now()` or `console.log` would import functions of the browser that no host of policies has. */
function requireWapcImports(bytes: Uint8Array): void {
  const { Module } = (globalThis as unknown as Platform).WebAssembly;
  const imports = Module.imports(new Module(bytes));
  const foreign = imports.filter(({ module }) => module !== 'wapc').map(({ module, name }) => `${module}.${name}`);
  if (foreign.length === 0) return;
  throw new BuildError(
    'imports-unexpected',
    `the policy uses what no host offers: ${foreign.join(', ')} – for logs use logInfo, and clock and randomness are not available`,
  );
}
