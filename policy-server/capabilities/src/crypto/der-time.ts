import type { DerElement } from '@portcullis/artifact';

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const DIGITS = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/**
 * Milliseconds since 1970 of a time in a certificate: to the second, in UTC, as RFC 5280 §4.1.2.5 wants it.
 *
 * @throws RangeError for every other form
 */
export function derTimeMs(element: DerElement | undefined): number {
  const text = String.fromCharCode(...(element?.content.subarray(0, 20) ?? []));
  const match = DIGITS.exec(element?.tag === UTC_TIME ? century(text) + text : text);
  if (match === null || (element?.tag !== UTC_TIME && element?.tag !== GENERALIZED_TIME)) throw badTime();
  const ms = dateMs(match.slice(1).map(Number));
  if (ms === undefined) throw badTime();
  return ms;
}

/** Two digits of a year stand for 1950 to 2049. */
function century(text: string): string {
  return text.slice(0, 2) < '50' ? '20' : '19';
}

/** Undefined for the 30th of February: `Date` would make a day in March of it. */
export function dateMs(parts: readonly number[]): number | undefined {
  const [year = NaN, month = NaN, day = NaN, hour = NaN, minute = NaN, second = NaN] = parts;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isSame = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  return isSame && date.getUTCMinutes() === minute && date.getUTCSeconds() === second ? date.getTime() : undefined;
}

function badTime(): RangeError {
  return new RangeError('DER time of an unknown form');
}
