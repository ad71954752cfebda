import { ABANDONMENT } from '../abandonment.ts';

/** Small steps between two looks: a few hundred microseconds at most. */
const STRIDE = 4096;

let control: Int32Array = new Int32Array(1);
let stepsLeft = STRIDE;

/**
 * Says by which control word the guest is stopped that runs now. Builtins answer at once, so each thread runs one at a time, and
 * whatever they do, however deep, is done for that guest.
 */
export function watchControl(word: Int32Array): void {
  control = word;
}

/** @throws ABANDONMENT when the guest is to stop, see `ThreadContext.control`. */
export function checkInterruption(): void {
  if ((Atomics.load(control, 0) & 1) !== 0) throw ABANDONMENT;
}

/**
 * Counts a small step of a builtin: guests choose how much there is to do, and while a builtin does it none of their own checks
 * is passed.
 */
export function countStep(): void {
  if (--stepsLeft > 0) return;
  stepsLeft = STRIDE;
  checkInterruption();
}
