import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '@portcullis/testkit';

const ROOT = join(import.meta.dirname, '../../..');

/** A policy of `policies/` as it is published, built as its author would build it; the checkout is not written to. */
export async function typescriptPolicy(name: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-bench-'));
  try {
    const output = join(folder, 'policy.wasm');
    const args = [join(ROOT, 'sdk/typescript/src/cli.ts'), 'build', '--output', output, join(ROOT, 'policies', name)];
    await runCommand(process.execPath, args, { cwd: folder });
    return await readFile(output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
