import { join } from 'node:path';
import { buildPolicy } from '@portcullis/assemblyscript';

/** Builds the guest in `folder` with the SDK; the compiler is an npm package, so this needs no toolchain. */
export function build(folder: string): Promise<Uint8Array> {
  return buildPolicy({ entry: join(folder, 'assembly', 'policy.ts') });
}
