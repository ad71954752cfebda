import { isArray, RegoNumber, type RegoValue, typeName } from '../value.ts';
import { type Builtin, BuiltinError, countOperand, operand, stringOperand } from './builtin.ts';
import { parseDuration } from './duration.ts';
import { civilTime, dayNumber, unixNanoseconds, UTC, type Zone } from './go/instant.ts';
import { formatTime } from './go/time-format.ts';
import { NAMED_LAYOUTS, WEEKDAYS } from './go/time-layout.ts';
import { parseTime, TimeSyntaxError } from './go/time-parse.ts';
import { zoneNamed } from './go/zone.ts';

const RFC3339 = '2006-01-02T15:04:05Z07:00';
const RFC3339_NANO = '2006-01-02T15:04:05.999999999Z07:00';
const MIN_NS = -(2n ** 63n);
const MAX_NS = 2n ** 63n - 1n;

const parseRfc3339: Builtin = (operands) => parse(RFC3339, stringOperand(operands, 0));

const date: Builtin = (operands) => {
  const { unixNs, zone } = momentOperand(operands, 0);
  const { year, month, day } = civilTime(unixNs, zone);
  return numbers(year, month, day);
};

/** Instants are nanoseconds since 1970, alone or as `[ns, zone, layout]`. */
export const timeBuiltins: Readonly<Record<string, Builtin>> = {
  'time.now_ns': (_, context) => RegoNumber.of(context.nowNs()),
  'time.parse_ns': (operands) => parse(layoutOf(stringOperand(operands, 0)), stringOperand(operands, 1)),
  'time.parse_rfc3339_ns': parseRfc3339,
  'time.parse_duration_ns': (operands) => RegoNumber.of(parseDuration(stringOperand(operands, 0))),
  'time.format': (operands) => format(operands),
  'time.date': date,
  'time.clock': (operands) => {
    const { unixNs, zone } = momentOperand(operands, 0);
    const { hour, minute, second } = civilTime(unixNs, zone);
    return numbers(hour, minute, second);
  },
  'time.weekday': (operands) => {
    const { unixNs, zone } = momentOperand(operands, 0);
    return WEEKDAYS[civilTime(unixNs, zone).weekday];
  },
  'time.add_date': (operands) => addDate(operands),
  'time.diff': (operands) => difference(momentOperand(operands, 0), momentOperand(operands, 1)),
  // Older policy servers know these two without their prefix: modules built for them keep loading.
  parse_rfc3339_ns: parseRfc3339,
  date,
};

interface Moment {
  readonly unixNs: bigint;
  readonly zone: Zone;
  readonly layout: string;
}

function momentOperand(operands: Parameters<Builtin>[0], index: number): Moment {
  const value = operand(operands, index);
  if (value instanceof RegoNumber) return { unixNs: nanosecondsOf(value), zone: UTC, layout: '' };
  const [ns, zoneName = '', layout = ''] = isArray(value) ? value : [];
  if (ns === undefined) {
    throw new BuiltinError(
      `operand 1 must be either number (ns) or [number (ns), string (tz)] but got ${typeName(value)}`,
    );
  }
  const zone = zoneNamed(textOf(zoneName));
  if (zone === undefined) throw new BuiltinError(`unknown time zone ${textOf(zoneName)}`);
  return { unixNs: nanosecondsOf(ns), zone, layout: textOf(layout) };
}

function textOf(value: RegoValue): string {
  if (typeof value === 'string') return value;
  throw new BuiltinError(`operand 1 must be string but got ${typeName(value)}`);
}

function nanosecondsOf(value: RegoValue): bigint {
  if (!(value instanceof RegoNumber)) throw new BuiltinError(`operand 1 must be number but got ${typeName(value)}`);
  const ns = value.toInteger();
  if (ns === undefined || ns < MIN_NS || ns > MAX_NS) throw new BuiltinError('timestamp too big');
  return ns;
}

function layoutOf(nameOrLayout: string): string {
  return NAMED_LAYOUTS.get(nameOrLayout) ?? nameOrLayout;
}

function parse(layout: string, value: string): RegoNumber {
  try {
    return withinRange(parseTime(layout, value));
  } catch (error) {
    if (error instanceof TimeSyntaxError) throw new BuiltinError(error.message);
    throw error;
  }
}

function withinRange(unixNs: bigint | undefined): RegoNumber {
  if (unixNs === undefined || unixNs < MIN_NS || unixNs > MAX_NS) throw new BuiltinError('time outside of valid range');
  return RegoNumber.of(unixNs);
}

function format(operands: Parameters<Builtin>[0]): string {
  const { unixNs, zone, layout } = momentOperand(operands, 0);
  const text = formatTime(unixNs, zone, layout === '' ? RFC3339_NANO : layoutOf(layout));
  if (text === undefined) throw new BuiltinError(`no abbreviation is known for the time zone ${zone.name}`);
  return text;
}

function addDate(operands: Parameters<Builtin>[0]): RegoNumber {
  const { unixNs, zone } = momentOperand(operands, 0);
  const time = civilTime(unixNs, zone);
  const [years, months, days] = [countOperand(operands, 1), countOperand(operands, 2), countOperand(operands, 3)];
  return withinRange(
    unixNanoseconds({ ...time, year: time.year + years, month: time.month + months, day: time.day + days }, zone),
  );
}

/** Years, months, days, hours, minutes and seconds between two instants, both read in the zone of the first. */
function difference(a: Moment, b: Moment): RegoValue {
  const [early, late] = a.unixNs <= b.unixNs ? [a.unixNs, b.unixNs] : [b.unixNs, a.unixNs];
  const from = civilTime(early, a.zone);
  const to = civilTime(late, a.zone);
  // From the smallest unit upwards: what is negative borrows from the next larger one.
  const second = borrow(to.second - from.second, 60);
  const minute = borrow(to.minute - from.minute + second.carry, 60);
  const hour = borrow(to.hour - from.hour + minute.carry, 24);
  const monthLength = dayNumber(from.year, from.month + 1, 1) - dayNumber(from.year, from.month, 1);
  const day = borrow(to.day - from.day + hour.carry, monthLength);
  const month = borrow(to.month - from.month + day.carry, 12);
  const year = to.year - from.year + month.carry;
  return numbers(year, month.rest, day.rest, hour.rest, minute.rest, second.rest);
}

function borrow(value: number, base: number): { rest: number; carry: number } {
  return value < 0 ? { rest: value + base, carry: -1 } : { rest: value, carry: 0 };
}

function numbers(...values: number[]): RegoNumber[] {
  return values.map((value) => RegoNumber.of(value));
}
