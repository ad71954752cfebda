import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/tools/command.ts';

/**
 * Builds the guest. jco is an npm package, so this needs no toolchain. `folder` holds policy.ts and policy.wit; paths are
 * absolute because jco changes its working directory before it resolves them.
 */
export async function build(folder: string): Promise<Uint8Array> {
  const jco = fileURLToPath(new URL('./jco.js', import.meta.resolve('@bytecodealliance/jco')));
  const out = await mkdtemp(join(tmpdir(), 'portcullis-guest-'));
  const built = join(out, 'guest.wasm');
  try {
    const inputs = [join(folder, 'policy.ts'), '--wit', join(folder, 'policy.wit'), '--world-name', 'policy'];
    // Nothing but the host interface remains among the imports.
    const backend = ['--backend', 'quickjs', '--backend-qjs-disable-async', '--backend-qjs-stub-wasi'];
    await runCommand(process.execPath, [jco, 'componentize', ...inputs, ...backend, '--out', built], { cwd: folder });
    return await readFile(built);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
