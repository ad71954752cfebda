import { SettingsError } from '../errors.ts';
import type { SettingsProblem } from '../errors.ts';

/** One source for a setting's TypeScript type, its validation and its default. Immutable: every method makes a new schema. */
export interface Schema<Value> {
  /** What stands for a missing value; without it the value is required. */
  readonly absent: (() => Value) | undefined;
  /** Reads a value that is there. */
  read(value: unknown, site: Site): Reading<Value>;
  /** May be left out; the value is then `undefined`. */
  optional(): Schema<Value | undefined>;
  /** May be left out; `value` is then used. */
  default(value: Value): Schema<Value>;
  /** A further condition: `check` answers what is wrong, or `undefined`. */
  check(check: (value: Value) => string | undefined): Schema<Value>;
  /** Parses the value into what the policy works with. The message of an error thrown by `parse` is the problem reported. */
  map<Mapped>(parse: (value: Value) => Mapped): Schema<Mapped>;
}

/** The type of the settings a schema describes. */
export type Infer<S extends Schema<unknown>> = S extends Schema<infer Value> ? Value : never;

/** Where in the settings reading is, and where problems go. */
export interface Site {
  readonly path: string;
  readonly problems: SettingsProblem[];
}

/** `undefined` when the value was refused; the problem is then among the site's. */
export type Reading<Value> = { readonly value: Value } | undefined;

/** Reports a problem. */
export function refuse(site: Site, message: string): undefined {
  site.problems.push({ path: site.path, message });
}

/** Reports a value of the wrong type. Says what it is, never its content: settings may hold secrets. */
export function mismatch(site: Site, expected: string, value: unknown): undefined {
  return refuse(site, `expected ${expected}, got ${describeType(value)}`);
}

/** @throws SettingsError with every problem found. */
export function parseSettings<Value>(schema: Schema<Value>, value: unknown): Value {
  const site: Site = { path: 'settings', problems: [] };
  const reading = schema.read(value ?? {}, site);
  if (!reading) throw new SettingsError(site.problems);
  return reading.value;
}

/** A schema out of its reader. */
export function createSchema<Value>(
  read: (value: unknown, site: Site) => Reading<Value>,
  absent?: () => Value,
): Schema<Value> {
  return {
    absent,
    read,
    optional: () => createSchema<Value | undefined>(read, () => undefined),
    default: (value) => createSchema(read, () => value),
    check: (check) => createSchema((value, site) => checkReading(read(value, site), check, site), absent),
    map: (parse) =>
      createSchema((value, site) => mapReading(read(value, site), parse, site), absent && (() => parse(absent()))),
  };
}

function checkReading<Value>(
  reading: Reading<Value>,
  check: (value: Value) => string | undefined,
  site: Site,
): Reading<Value> {
  const problem = reading && check(reading.value);
  return problem === undefined ? reading : refuse(site, problem);
}

function mapReading<Value, Mapped>(
  reading: Reading<Value>,
  parse: (value: Value) => Mapped,
  site: Site,
): Reading<Mapped> {
  if (!reading) return undefined;
  try {
    return { value: parse(reading.value) };
  } catch (error) {
    return refuse(site, error instanceof Error ? error.message : String(error));
  }
}

function describeType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
