import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildPolicyFolder } from '@portcullis/sdk/build';
import type { BuildStep } from '@portcullis/sdk/build';

const POLICIES = ['pod-privileged', 'required-labels', 'trusted-registries'] as const;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TEMPLATE = fileURLToPath(new URL('../policies.yml', import.meta.url));

export interface ExampleOptions {
  /** Where finished builds are kept from one start to the next. */
  readonly cacheDir: string;
  /** Where modules and policies.yml go. */
  readonly outputDir: string;
  readonly writeProgress: (line: string) => void;
}

/** What the server is given. */
export interface ExamplePolicies {
  readonly policiesPath: string;
  /** Lines of the server's table: one for each entry of policies.yml. */
  readonly count: number;
}

/** Builds the example policies and writes the policies.yml that names them. */
export async function prepareExamples({
  cacheDir,
  outputDir,
  writeProgress,
}: ExampleOptions): Promise<ExamplePolicies> {
  await mkdir(outputDir, { recursive: true });
  for (const name of POLICIES) {
    const start = performance.now();
    const onStep = (step: BuildStep): void => {
      if (step === 'link-engine') writeProgress('Linking the JavaScript engine of the policies (first start only)');
    };
    const { module, cached } = await buildPolicyFolder({ folder: join(ROOT, name), cacheDir, onStep });
    await writeFile(join(outputDir, `${name}.wasm`), module);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    writeProgress(`${cached ? 'Unchanged' : 'Built'} ${name} in ${seconds} s`);
  }
  const template = await readFile(TEMPLATE, 'utf8');
  const text = template.replaceAll('module: $POLICIES', () => `module: ${pathToFileURL(outputDir).href}`);
  const policiesPath = join(outputDir, 'policies.yml');
  await writeFile(policiesPath, text);
  return { policiesPath, count: text.match(/^[\w-]+:$/gm)?.length ?? 0 };
}
