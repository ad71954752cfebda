import { MINUS } from './characters.ts';
import { odd } from './json-bytes.ts';
import { JsonNumber } from './number.ts';

/** A decimal of so many digits has a 64-bit float of its own, so no shorter one can stand for the same float. */
const EXACT_DIGITS = 15;
const DOT = 0x2e;
const ZERO = 0x30;
const NONE = -1;

/** The end of the number at `start` if it is canonical at first sight, as nearly all are; -1 = look closer. */
export function ordinaryNumberEnd(bytes: Uint8Array, start: number): number {
  const first = bytes[start] === MINUS ? start + 1 : start;
  const point = digitsEnd(bytes, first);
  const unit = bytes[point] ?? 0;
  if ((unit | 0x20) === 0x65) return NONE;
  if (unit !== DOT) return isOrdinaryInteger(bytes, { start, first, end: point }) ? point : NONE;
  const end = digitsEnd(bytes, point + 1);
  if (((bytes[end] ?? 0) | 0x20) === 0x65 || end - first > EXACT_DIGITS || point === first) return NONE;
  // A fraction without zeros at its end, of a number that is neither very small nor written with zeros in front.
  const isShortest = end > point + 1 && bytes[end - 1] !== ZERO;
  const isPlain = bytes[first] !== ZERO || (point === first + 1 && bytes[point + 1] !== ZERO);
  return isShortest && isPlain ? end : NONE;
}

function isOrdinaryInteger(
  bytes: Uint8Array,
  { start, first, end }: { start: number; first: number; end: number },
): boolean {
  // A lone zero is as common as any digit; one with a sign is a float, one with digits behind it is no number.
  return end > first && end - first <= EXACT_DIGITS && (bytes[first] !== ZERO || end - start === 1);
}

function digitsEnd(bytes: Uint8Array, start: number): number {
  let end = start;
  for (let unit = bytes[end] ?? 0; unit >= ZERO && unit <= 0x39;) unit = bytes[++end] ?? 0;
  return end;
}

/** Whether a byte can be part of a number. */
export function isNumberByte(unit: number): boolean {
  return (unit >= ZERO && unit <= 0x39) || unit === 0x2b || unit === MINUS || unit === DOT || (unit | 0x20) === 0x65;
}

/** @throws OddText for what is no number, or none a policy can be handed. */
export function numberFrom(literal: string): JsonNumber {
  try {
    return new JsonNumber(literal);
  } catch {
    throw odd();
  }
}
