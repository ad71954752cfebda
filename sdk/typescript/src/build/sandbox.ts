import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { resolve } from 'node:path';
import { transform } from 'esbuild';
import type { OnResolveArgs, OnResolveResult, Plugin } from 'esbuild';
import { BuildError } from './errors.ts';

const BUILT_INS = new Set(builtinModules);

/** What esbuild puts into a script that it has freed of async functions. */
const ASYNC_HELPERS = /\b__(?:async|asyncGenerator|forAwait|yieldStar)\b/;

/** Refuses imports that cannot work inside a policy, where they stand. */
export function sandboxRules(): Plugin {
  return {
    name: 'sandbox-rules',
    setup(build) {
      build.onResolve({ filter: /.*/ }, refuseImport);
    },
  };
}

function refuseImport({ path, kind }: OnResolveArgs): OnResolveResult | undefined {
  if (path.startsWith('node:') || BUILT_INS.has(path)) {
    return refusal(
      `"${path}" is part of Node.js, and a policy runs without it: no files, network, processes or timers - ` +
        'use context.host, and keep what only tests need out of the policy',
    );
  }
  if (kind === 'dynamic-import') {
    return refusal(
      `import(${JSON.stringify(path)}) loads code at run time, and a policy is one module - import it statically`,
    );
  }
  return undefined;
}

function refusal(text: string): OnResolveResult {
  return { errors: [{ text }] };
}

/**
 * A policy has no event loop: what waits for a promise never goes on.
 *
 * @throws {@link BuildError} naming the files that use `async`, `await` or `import()`.
 */
export async function refuseAsync(script: string, inputs: readonly string[], folder: string): Promise<void> {
  if (!ASYNC_HELPERS.test(script)) return;
  const culprits: string[] = [];
  for (const input of inputs) {
    const line = await findAsync(resolve(folder, input)).catch(() => undefined);
    if (line !== undefined) culprits.push(`${input}:${line}`);
  }
  throw new BuildError(
    'sandbox-unsupported',
    `${culprits.join(', ')}: async functions and await do not work in a policy, which has no event loop - ` +
      'host calls answer at once, without await',
  );
}

async function findAsync(path: string): Promise<number | undefined> {
  const source = await readFile(path, 'utf8');
  const { code } = await transform(source, {
    loader: path.endsWith('.ts') ? 'ts' : 'js',
    supported: { 'async-await': false, 'async-generator': false, 'for-await': false },
    logLevel: 'silent',
  });
  if (!ASYNC_HELPERS.test(code)) return undefined;
  const line = source
    .split('\n')
    .findIndex((text) => /\b(?:async|await)\b/.test(text.replace(/\/\/.*$|^\s*\*.*$/, '')));
  return line + 1;
}
