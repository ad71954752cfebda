import type { GuestOutcome } from '../guest/guest.ts';
import { type InstanceState, PAGE_BYTES } from '../guest/image.ts';
import type { WasiInstance } from './instance.ts';

/** A run of a program that came to its end. */
export interface EndedRun {
  readonly instance: WasiInstance;
  readonly outcome: GuestOutcome;
}

/** Whether two runs printed the same, ended in the same way and left the same behind, byte for byte. */
export function sameEnd(one: EndedRun, other: EndedRun): boolean {
  const [oneState, otherState] = [one.instance.state, other.instance.state];
  if (oneState === undefined || otherState === undefined) return false;
  const [onePrinted, otherPrinted] = [one.instance.printed, other.instance.printed];
  return (
    sameOutcome(one.outcome, other.outcome) &&
    onePrinted.stderr === otherPrinted.stderr &&
    Buffer.compare(onePrinted.stdout, otherPrinted.stdout) === 0 &&
    sameState(oneState, otherState)
  );
}

function sameOutcome(one: GuestOutcome, other: GuestOutcome): boolean {
  if (one.kind === 'exit') return other.kind === 'exit' && one.exitCode === other.exitCode;
  return one.kind === other.kind;
}

function sameState(one: InstanceState, other: InstanceState): boolean {
  const isSameGlobal = (global: WebAssembly.Global, index: number): boolean =>
    Object.is(global.value, other.globals[index]?.value);
  return (
    one.globals.every(isSameGlobal) &&
    one.logicalPages === other.logicalPages &&
    Buffer.compare(logicalBytes(one), logicalBytes(other)) === 0
  );
}

function logicalBytes({ bytes, logicalPages }: InstanceState): Uint8Array {
  return bytes.subarray(0, logicalPages * PAGE_BYTES);
}
