import type { Guest } from '../guest/guest.ts';
import type { CapturedOutput } from '../guest/output.ts';
import type { Stdin } from './stdin.ts';

/** The little operating system one guest sees: no environment, no files, no sockets. */
export interface System {
  readonly guest: Guest;
  readonly argv: readonly string[];
  readonly stdin: Stdin;
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
}

/** The two ABIs of preview 1: `wasi_unstable` (snapshot 0) lays some structures out differently. */
export type Snapshot = 'wasi_snapshot_preview1' | 'wasi_unstable';
