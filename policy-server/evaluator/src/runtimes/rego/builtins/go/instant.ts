/** Fields of a calendar date and a time of day, as in Go: months from 1, days of the week from Sunday = 0. */
export interface CivilTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly nanosecond: number;
  readonly weekday: number;
  readonly yearDay: number;
}

export interface Zone {
  readonly name: string;
  /** Seconds east of UTC at an instant (seconds since the epoch). */
  offsetAt(unixSeconds: bigint): number;
  /** What clocks call the zone at an instant, `undefined` where that is not known here. */
  abbreviationAt(unixSeconds: bigint): string | undefined;
}

export const UTC: Zone = { name: 'UTC', offsetAt: () => 0, abbreviationAt: () => 'UTC' };

const NANOSECONDS = 1_000_000_000n;
const DAY_SECONDS = 86_400;

export function unixSecondsOf(unixNs: bigint): bigint {
  return floorDivide(unixNs, NANOSECONDS);
}

export function civilTime(unixNs: bigint, zone: Zone): CivilTime {
  const unixSeconds = unixSecondsOf(unixNs);
  const local = Number(unixSeconds) + zone.offsetAt(unixSeconds);
  const days = Math.floor(local / DAY_SECONDS);
  const secondOfDay = local - days * DAY_SECONDS;
  const date = new Date(days * DAY_SECONDS * 1000);
  const year = date.getUTCFullYear();
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: Math.floor(secondOfDay / 3600),
    minute: Math.floor(secondOfDay / 60) % 60,
    second: secondOfDay % 60,
    nanosecond: Number(unixNs - unixSeconds * NANOSECONDS),
    weekday: date.getUTCDay(),
    yearDay: days - dayNumber(year, 1, 1) + 1,
  };
}

export interface CivilFields {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour?: number;
  readonly minute?: number;
  readonly second?: number;
  readonly nanosecond?: number;
}

/** Go's `time.Date`: fields out of range carry over. `undefined` where no calendar reaches. */
export function unixNanoseconds(fields: CivilFields, zone: Zone): bigint | undefined {
  const { year, month, day, hour = 0, minute = 0, second = 0, nanosecond = 0 } = fields;
  const days = dayNumber(year, month, day);
  if (!Number.isSafeInteger(days)) return undefined;
  const local = BigInt(days) * BigInt(DAY_SECONDS) + BigInt(hour * 3600 + minute * 60 + second);
  // A time that clocks skip or show twice is read with the offset before or after the change, as in Go.
  let offset = BigInt(zone.offsetAt(local));
  const other = BigInt(zone.offsetAt(local - offset));
  if (offset !== 0n && other !== offset) offset = other;
  return (local - offset) * NANOSECONDS + BigInt(nanosecond);
}

/** Days since 1 January 1970; NaN far outside of the calendar of JavaScript (± 270,000 years). */
export function dayNumber(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() / (DAY_SECONDS * 1000);
}

export function daysInMonth(year: number, month: number): number {
  return dayNumber(year, month + 1, 1) - dayNumber(year, month, 1);
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a < 0n && quotient * b !== a ? quotient - 1n : quotient;
}
