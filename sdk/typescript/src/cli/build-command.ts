import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { BuildStep, PolicyBuild } from '../build/build-policy.ts';
import { buildPolicyFolder } from '../build/policy-folder.ts';
import type { CliHost } from './run-cli.ts';

const STEPS: Readonly<Record<BuildStep, string>> = {
  bundle: 'Bundling the policy',
  'link-engine': 'Linking the JavaScript engine (once, a few seconds)',
  snapshot: 'Taking the image of the started policy',
};

export interface BuildCommand {
  readonly folder: string;
  readonly output: string;
  readonly cacheDir: string | undefined;
  readonly host: CliHost;
}

/** `portcullis-sdk build`: progress to stderr, the report to stdout. */
export async function buildCommand({ folder, output, cacheDir, host }: BuildCommand): Promise<void> {
  const start = performance.now();
  const build = await buildPolicyFolder({ folder, cacheDir, onStep: (step) => host.writeError(`${STEPS[step]}\n`) });
  await mkdir(dirname(output), { recursive: true });
  await writeFile(output, build.module);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  host.writeError(`${build.cached ? 'Taken from the cache' : 'Built'} in ${seconds} s\n`);
  host.writeOut(`${describeBuild(build, relative(host.folder, output) || output)}\n`);
}

function describeBuild(build: PolicyBuild, path: string): string {
  const { module, sha256, scriptBytes, inputBytes } = build;
  const largest = [...inputBytes].toSorted(([, a], [, b]) => b - a).slice(0, 5);
  return [
    `${path}  sha256:${sha256}`,
    `module ${kilobytes(module.length)} (${kilobytes(gzipSync(module).length)} compressed), script ${kilobytes(scriptBytes)}, of it:`,
    ...largest.map(([input, bytes]) => `  ${kilobytes(bytes).padStart(9)}  ${input}`),
  ].join('\n');
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
