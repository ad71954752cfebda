import { dateMs } from './der-time.ts';

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Milliseconds since 1970 of an RFC 3339 time; undefined for other texts. */
export function rfc3339Ms(text: string): number | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second = 0] = match.slice(1, 7).map(Number);
  // A leap second: dates of machines have none, the second before is as near.
  const ms = dateMs([year, month, day, hour, minute, Math.min(second, 59)].map(Number));
  const [hours, minutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (ms === undefined || second > 60 || hours > 23 || minutes > 59) return undefined;
  const offsetMs = (hours * 60 + minutes) * 60_000;
  return ms + Number(match[7] ?? 0) * 1000 - (match[8] === '-' ? -offsetMs : offsetMs);
}
