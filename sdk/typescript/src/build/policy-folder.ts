import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPolicyWithReport } from './build-policy.ts';
import type { PolicyBuild, PolicyBuildOptions } from './build-policy.ts';
import { BuildError } from './errors.ts';
import { readPolicyMetadata } from './metadata.ts';

export interface PolicyFolderOptions extends Omit<PolicyBuildOptions, 'entry' | 'metadata' | 'baseFolder'> {
  /** Holds `metadata.yml`, `src/policy.ts` and, if it wants to be shown as usage, `README.md`. */
  readonly folder: string;
}

/**
 * Builds the policy that lives in a folder.
 *
 * @throws BuildError
 */
export async function buildPolicyFolder({ folder, ...options }: PolicyFolderOptions): Promise<PolicyBuild> {
  const [yaml, usage] = await Promise.all([
    readOptional(join(folder, 'metadata.yml')),
    readOptional(join(folder, 'README.md')),
  ]);
  if (yaml === undefined) {
    throw new BuildError('policy-missing', `There is no metadata.yml in ${folder} - expected the folder of a policy`);
  }
  const metadata = readPolicyMetadata(yaml, usage);
  const entry = join(folder, 'src', 'policy.ts');
  if ((await readOptional(entry)) === undefined) {
    throw new BuildError(
      'policy-missing',
      `There is no src/policy.ts in ${folder} - expected a file that exports \`policy\``,
    );
  }
  return buildPolicyWithReport({ ...options, entry, metadata, baseFolder: folder });
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
