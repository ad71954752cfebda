import { createSchema, mismatch, refuse } from './schema.ts';
import type { Reading, Schema, Site } from './schema.ts';

export interface ListLimits {
  /** @default 0 */
  readonly minItems?: number;
  /** @default 1000 */
  readonly maxItems?: number;
}

/** The shape of `object({ … })`: a schema for every key. */
export type Members = Readonly<Record<string, Schema<unknown>>>;

/** What `object(members)` yields; keys that may be left out without a default are optional. */
export type ObjectOf<M extends Members> = Simplify<
  { readonly [Key in RequiredKeys<M>]: Infer<M[Key]> } & { readonly [Key in OptionalKeys<M>]?: Infer<M[Key]> }
>;

type Infer<S> = S extends Schema<infer Value> ? Value : never;
type OptionalKeys<M extends Members> = { [Key in keyof M]: undefined extends Infer<M[Key]> ? Key : never }[keyof M];
type RequiredKeys<M extends Members> = Exclude<keyof M, OptionalKeys<M>>;
type Simplify<T> = { [Key in keyof T]: T[Key] };

/** A list whose items all have one form. */
export function list<Item>(items: Schema<Item>, limits: ListLimits = {}): Schema<readonly Item[]> {
  return createSchema((value, site) => {
    if (!Array.isArray(value)) return mismatch(site, 'a list', value);
    if (!checkCount(value.length, limits, site)) return undefined;
    return collect(value.map((item: unknown, index) => items.read(item, { ...site, path: `${site.path}[${index}]` })));
  });
}

/** An object with keys of the operator's choice, such as labels. A `Map`, so that no key can pass for a built-in property. */
export function record<Item>(items: Schema<Item>, limits: ListLimits = {}): Schema<ReadonlyMap<string, Item>> {
  return createSchema((value, site) => {
    if (!isObject(value)) return mismatch(site, 'an object', value);
    const entries = Object.entries(value);
    if (!checkCount(entries.length, limits, site)) return undefined;
    const readings = collect(
      entries.map(([key, item]) => readPresent(items, item, { ...site, path: memberPath(site.path, key) })),
    );
    return readings && { value: new Map(entries.map(([key], index) => [key, readings.value[index] as Item])) };
  });
}

/** An object with exactly these keys; unknown keys are refused, because most of them are misspelt ones. */
export function object<M extends Members>(members: M): Schema<ObjectOf<M>> {
  const names = Object.keys(members);
  return createSchema((value, site) => {
    if (!isObject(value)) return mismatch(site, 'an object', value);
    const unknownKeys = Object.keys(value).filter((key) => !Object.hasOwn(members, key));
    for (const key of unknownKeys) refuse({ ...site, path: memberPath(site.path, key) }, unknownKey(names));
    const readings = collect(Object.entries(members).map(([key, schema]) => readMember(schema, value, { key, site })));
    if (!readings || unknownKeys.length > 0) return undefined;
    // Each value was read by the schema of its key.
    return { value: Object.fromEntries(names.map((key, index) => [key, readings.value[index]])) as ObjectOf<M> };
  });
}

function readMember(
  schema: Schema<unknown>,
  parent: Record<string, unknown>,
  { key, site }: { key: string; site: Site },
): Reading<unknown> {
  const inner = { ...site, path: memberPath(site.path, key) };
  if (Object.hasOwn(parent, key)) return readPresent(schema, parent[key], inner);
  return schema.absent ? { value: schema.absent() } : refuse(inner, 'is required');
}

/** `key:` without a value is YAML for null, and means the same as leaving the value out. */
function readPresent<Value>(schema: Schema<Value>, value: unknown, site: Site): Reading<Value> {
  return value === null && schema.absent ? { value: schema.absent() } : schema.read(value, site);
}

function unknownKey(names: readonly string[]): string {
  return names.length === 0
    ? 'unknown key, the policy has no settings here'
    : `unknown key, expected ${names.join(', ')}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `settings.labels["app.kubernetes.io/name"]`. */
function memberPath(path: string, key: string): string {
  return /^[A-Za-z_]\w*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

function checkCount(count: number, { minItems = 0, maxItems = 1000 }: ListLimits, site: Site): boolean {
  if (count < minItems) refuse(site, `must have at least ${minItems} ${minItems === 1 ? 'item' : 'items'}`);
  if (count > maxItems) refuse(site, `must have at most ${maxItems} items, has ${count}`);
  return count >= minItems && count <= maxItems;
}

function collect<Item>(readings: readonly Reading<Item>[]): Reading<Item[]> {
  const items = readings.flatMap((reading) => (reading ? [reading.value] : []));
  return items.length === readings.length ? { value: items } : undefined;
}
