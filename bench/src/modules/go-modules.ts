import { join } from 'node:path';
import { guestModule, runCommand } from '@portcullis/testkit';
import { builtGuest } from './built-guest.ts';

/** Classes of size, in MB: what a Go policy weighs depends on what it imports. */
export const GO_SIZES_MB = [4, 20, 30, 90] as const;
export type GoSizeMb = (typeof GO_SIZES_MB)[number];

/** A Go WASI policy of about that size; the sources say what makes it so large. The smallest is the guest of the tests. */
export function goModule(sizeMb: GoSizeMb): Promise<Uint8Array> {
  if (sizeMb === 4) return guestModule('wasi-go');
  return builtGuest({
    name: `go-${sizeMb}mb`,
    sources: 'go-sized',
    mode: 'wasi',
    programs: ['go'],
    build: async (folder) => {
      const env = { GOOS: 'wasip1', GOARCH: 'wasm', GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod' };
      const output = join(folder, 'guest.wasm');
      const args = ['build', '-trimpath', '-ldflags', '-s -w', '-tags', `mb${sizeMb}`, '-o', output, '.'];
      await runCommand('go', args, { cwd: folder, env });
      return output;
    },
  });
}
