import { basename, dirname, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { BuildFailure, BuildOptions, BuildResult, Message, Plugin } from 'esbuild';
import { BuildError } from './errors.ts';
import { refuseAsync, sandboxRules } from './sandbox.ts';

const GLOBALS = fileURLToPath(new URL('../guest/globals.ts', import.meta.url));
const GUEST = fileURLToPath(new URL('../guest/guest.ts', import.meta.url));

/** A policy and everything it imports, as one script for the engine. */
export interface Bundle {
  readonly script: string;
  /** How much of the script came from where, in bytes, by input file. */
  readonly inputBytes: ReadonlyMap<string, number>;
}

/**
 * Bundles the policy that `entry` exports under the name `policy`. Places in messages are relative to `baseFolder`.
 *
 * @throws {@link BuildError} with one line for each problem, led by its place in the source.
 */
export async function bundlePolicy(entry: string, baseFolder: string): Promise<Bundle> {
  const result = await bundle(entry, baseFolder);
  const script = result.outputFiles?.[0]?.text ?? '';
  const inputs = Object.values(result.metafile?.outputs ?? {}).flatMap((output) => Object.entries(output.inputs));
  const used = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  await refuseAsync(
    script,
    used.map(([path]) => path),
    baseFolder,
  );
  return { script, inputBytes: new Map(used.map(([path, { bytesInOutput }]) => [path, bytesInOutput])) };
}

async function bundle(entry: string, baseFolder: string): Promise<BuildResult> {
  try {
    return await build(options(entry, baseFolder));
  } catch (error) {
    const { errors } = error as BuildFailure;
    if (!Array.isArray(errors)) throw error;
    throw new BuildError('bundle-failed', errors.map((message) => describe(message, entry)).join('\n'), {
      cause: error,
    });
  }
}

function options(entry: string, baseFolder: string): BuildOptions {
  return {
    stdin: {
      // The order matters: a policy and its imports find the globals of a guest in place.
      contents: [
        `import ${JSON.stringify(GLOBALS)};`,
        `import { policy } from ${JSON.stringify(`./${basename(entry)}`)};`,
        `import { installPolicy } from ${JSON.stringify(GUEST)};`,
        'installPolicy(policy);',
      ].join('\n'),
      resolveDir: dirname(entry),
      sourcefile: 'guest-entry.ts',
    },
    absWorkingDir: baseFolder,
    bundle: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
    format: 'iife',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['module', 'import'],
    target: 'es2023',
    // Lowered to a helper that `refuseAsync` finds; the engine itself would take it and never finish it.
    supported: { 'async-await': false, 'async-generator': false, 'for-await': false },
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: false,
    legalComments: 'none',
    charset: 'utf8',
    treeShaking: true,
    tsconfigRaw: '{}',
    plugins: [sandboxRules(), withoutSideEffects(import.meta.resolve('@portcullis/protocol'))],
  };
}

/**
 * Lets whatever is not used of a package stay out of the script: its files do nothing but define. `url` is the package's entry.
 */
function withoutSideEffects(url: string): Plugin {
  const entry = fileURLToPath(url);
  return {
    name: 'without-side-effects',
    setup(build) {
      build.onResolve({ filter: /^@portcullis\/protocol$/ }, () => ({ path: entry, sideEffects: false }));
      build.onResolve({ filter: /^\.{1,2}\// }, ({ path, importer, resolveDir }) =>
        importer.startsWith(dirname(entry) + sep) ? { path: resolve(resolveDir, path), sideEffects: false } : undefined,
      );
    },
  };
}

function describe({ text, location }: Message, entry: string): string {
  if (/^No matching export in .* for import "policy"$/.test(text)) {
    return `${basename(entry)} does not export a policy - expected: export const policy = definePolicy({ … })`;
  }
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text;
}
