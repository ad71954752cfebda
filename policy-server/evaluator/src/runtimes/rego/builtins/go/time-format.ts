import { civilTime, type CivilTime, unixSecondsOf, type Zone } from './instant.ts';
import { MONTHS, readLayout, WEEKDAYS } from './time-layout.ts';

/** Go's `Time.Format`. `undefined` where the layout asks for a zone's abbreviation that is not known. */
export function formatTime(unixNs: bigint, zone: Zone, layout: string): string | undefined {
  const time = civilTime(unixNs, zone);
  const unixSeconds = unixSecondsOf(unixNs);
  let text = '';
  for (const { kind, text: piece } of readLayout(layout)) {
    if (kind === 'literal') text += piece;
    else if (piece === 'MST') {
      const abbreviation = zone.abbreviationAt(unixSeconds);
      if (abbreviation === undefined) return undefined;
      text += abbreviation;
    } else if (/^[-Z]07/.test(piece)) text += formatOffset(piece, zone.offsetAt(unixSeconds));
    else if (/^[.,]/.test(piece)) text += formatFraction(piece, time.nanosecond);
    else text += FIELDS.get(piece)?.(time) ?? '';
  }
  return text;
}

const FIELDS: ReadonlyMap<string, (time: CivilTime) => string> = new Map([
  ['2006', ({ year }) => (year < 0 ? `-${digits(-year, 4)}` : digits(year, 4))],
  ['06', ({ year }) => digits(Math.abs(year) % 100, 2)],
  ['January', ({ month }) => MONTHS[month - 1] ?? ''],
  ['Jan', ({ month }) => (MONTHS[month - 1] ?? '').slice(0, 3)],
  ['01', ({ month }) => digits(month, 2)],
  ['1', ({ month }) => String(month)],
  ['Monday', ({ weekday }) => WEEKDAYS[weekday] ?? ''],
  ['Mon', ({ weekday }) => (WEEKDAYS[weekday] ?? '').slice(0, 3)],
  ['02', ({ day }) => digits(day, 2)],
  ['_2', ({ day }) => String(day).padStart(2)],
  ['2', ({ day }) => String(day)],
  ['002', ({ yearDay }) => digits(yearDay, 3)],
  ['__2', ({ yearDay }) => String(yearDay).padStart(3)],
  ['15', ({ hour }) => digits(hour, 2)],
  ['03', ({ hour }) => digits(hour % 12 || 12, 2)],
  ['3', ({ hour }) => String(hour % 12 || 12)],
  ['04', ({ minute }) => digits(minute, 2)],
  ['4', ({ minute }) => String(minute)],
  ['05', ({ second }) => digits(second, 2)],
  ['5', ({ second }) => String(second)],
  ['PM', ({ hour }) => (hour < 12 ? 'AM' : 'PM')],
  ['pm', ({ hour }) => (hour < 12 ? 'am' : 'pm')],
]);

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0');
}

/** `.000` keeps zeros, `.999` drops those at the end. */
function formatFraction(piece: string, nanosecond: number): string {
  const fraction = digits(nanosecond, 9).slice(0, piece.length - 1);
  if (piece[1] === '0') return piece.slice(0, 1) + fraction;
  const trimmed = fraction.replace(/0+$/, '');
  return trimmed === '' ? '' : piece.slice(0, 1) + trimmed;
}

function formatOffset(piece: string, offset: number): string {
  if (piece.startsWith('Z') && offset === 0) return 'Z';
  const magnitude = Math.abs(offset);
  const hours = digits(Math.floor(magnitude / 3600), 2);
  const minutes = digits(Math.floor(magnitude / 60) % 60, 2);
  const seconds = digits(magnitude % 60, 2);
  const separator = piece.includes(':') ? ':' : '';
  const fields = [hours, minutes, seconds].slice(0, piece.replaceAll(':', '').length / 2 - 0.5);
  return (offset < 0 ? '-' : '+') + fields.join(separator);
}
