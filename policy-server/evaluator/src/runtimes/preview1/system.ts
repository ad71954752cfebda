import { Guest } from '../guest/guest.ts';
import { CapturedOutput } from '../guest/output.ts';
import type { ThreadContext } from '../runtime.ts';
import { Stdin } from './stdin.ts';

/** The little operating system one guest sees: no environment, no files, no sockets. */
export interface System {
  readonly guest: Guest;
  /** Of the program that runs; it may be another one in every evaluation. */
  argv: readonly string[];
  readonly stdin: Stdin;
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  /** Whether the guest has closed one of its streams in this evaluation. */
  hasClosedStream?: boolean;
  /** Whether the guest has ever looked at its arguments. */
  hasReadArguments?: boolean;
}

/** The two ABIs of preview 1: `wasi_unstable` (snapshot 0) lays some structures out differently. */
export type Snapshot = 'wasi_snapshot_preview1' | 'wasi_unstable';

/** A system for an instance that may serve many evaluations: its streams are empty whenever one begins. */
export function systemFor({ limits, control }: ThreadContext): System {
  const guest = new Guest(undefined, limits, control);
  const stdin = new Stdin();
  const stdout = new CapturedOutput('standard output', limits.maxOutputBytes);
  const stderr = new CapturedOutput('standard error', limits.maxOutputBytes);
  guest.onReset(() => {
    stdin.clear();
    stdout.clear();
    stderr.clear();
  });
  return { guest, argv: [], stdin, stdout, stderr };
}

/** What start code did that neither memory nor globals hold, in words that follow `it`; `undefined` = nothing. */
export function deedOf({ guest, stdout, stderr, hasClosedStream }: System): string | undefined {
  if (guest.host.deed !== undefined) return guest.host.deed;
  if (stdout.size + stderr.size > 0) return 'prints';
  return hasClosedStream === true ? 'closes a stream' : undefined;
}
