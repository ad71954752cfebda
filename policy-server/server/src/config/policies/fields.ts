import { JsonNumber, type ContextAwareResource, type JsonObject } from '@portcullis/protocol';
import { nearest } from '../nearest.ts';
import { describeKind, objectOf, type Located, type LocatedEntry, type LocatedMap, type Problem } from './located.ts';

const MAX_TIMEOUT_SECONDS = 2_147_483; // what a 32-bit millisecond timer can hold

/** What to do with keys nobody asked for. */
export type UnknownKeys = 'refuse' | 'ignore';

/**
 * Reads the keys of one map of the file. Each wrong value becomes a problem that names the entry and the key, and reading
 * goes on with the default, so that one run shows them all.
 */
export class FieldReader {
  readonly #map: LocatedMap;
  readonly #subject: string;
  readonly #problems: Problem[];

  constructor(map: LocatedMap, subject: string, problems: Problem[]) {
    this.#map = map;
    this.#subject = subject;
    this.#problems = problems;
  }

  problem(node: { readonly position: Located['position'] }, message: string): void {
    this.#problems.push({ position: node.position, message: `${this.#subject}: ${message}` });
  }

  /** The entry of a key, with a problem if it is absent. */
  required(key: string): LocatedEntry | undefined {
    const entry = this.#map.entries.get(key);
    if (entry === undefined) this.problem(this.#map, `missing key '${key}'${this.#misspelt(key)}`);
    return entry;
  }

  requiredText(key: string): string {
    const entry = this.required(key);
    return entry === undefined ? '' : (this.#text(key, entry.value) ?? '');
  }

  /** `null` counts as absent. */
  optionalText(key: string): string | undefined {
    const value = this.#optional(key);
    return value === undefined ? undefined : this.#text(key, value);
  }

  optionalBoolean(key: string): boolean | undefined {
    const value = this.#optional(key);
    if (value === undefined) return undefined;
    if (value.kind === 'scalar' && typeof value.value === 'boolean') return value.value;
    this.#expected(key, 'true or false', value);
    return undefined;
  }

  /** Whole seconds, at least one: zero would cut every evaluation short, so it can only be a mistake. */
  optionalTimeoutMs(key: string): number | undefined {
    const value = this.#optional(key);
    if (value === undefined) return undefined;
    const seconds = value.kind === 'scalar' && value.value instanceof JsonNumber ? value.value.toBigInt() : undefined;
    if (seconds !== undefined && seconds >= 1n && seconds <= 2n ** 64n) {
      return Math.min(Number(seconds), MAX_TIMEOUT_SECONDS) * 1000;
    }
    this.#expected(key, 'a whole number of seconds, at least 1', value);
    return undefined;
  }

  /** An absent key has the default, `null` is a mistake. */
  choice<const T extends string>(key: string, choices: readonly [T, ...T[]]): T {
    const value = this.#map.entries.get(key)?.value;
    if (value === undefined) return choices[0];
    const chosen = choices.find((choice) => value.kind === 'scalar' && value.value === choice);
    if (chosen === undefined) this.#expected(key, choices.join(' or '), value);
    return chosen ?? choices[0];
  }

  optionalObject(key: string): JsonObject {
    const value = this.#optional(key);
    if (value === undefined) return new Map();
    if (value.kind !== 'map') {
      this.#expected(key, 'a map', value);
      return new Map();
    }
    this.#checkSettingsKeys(key, value);
    return objectOf(value);
  }

  textList(key: string): { readonly texts: readonly string[]; readonly node: Located | undefined } {
    const value = this.#map.entries.get(key)?.value;
    if (value === undefined) return { texts: [], node: undefined };
    if (value.kind !== 'sequence') {
      this.#expected(key, 'a list', value);
      return { texts: [], node: value };
    }
    return { texts: value.items.map((item, index) => this.#text(`${key}[${index}]`, item) ?? ''), node: value };
  }

  contextAwareResources(key: string): readonly ContextAwareResource[] {
    const value = this.#map.entries.get(key)?.value;
    if (value === undefined) return [];
    if (value.kind !== 'sequence') {
      this.#expected(key, 'a list of {apiVersion, kind}', value);
      return [];
    }
    const resources = new Map<string, ContextAwareResource>();
    value.items.forEach((item, index) => {
      const resource = this.#contextAwareResource(`${key}[${index}]`, item);
      if (resource !== undefined) resources.set(JSON.stringify([resource.apiVersion, resource.kind]), resource);
    });
    return [...resources.values()];
  }

  /** Checks for keys that are none of `known`; returns the ones that look like a slip of the pen. */
  unknownKeys(known: readonly string[], treatment: UnknownKeys): readonly Problem[] {
    const slips: Problem[] = [];
    for (const [key, entry] of this.#map.entries) {
      if (known.includes(key)) continue;
      const similar = nearest(key, known);
      if (treatment === 'refuse') {
        const tip = similar === undefined ? '' : ` – did you mean '${similar}'?`;
        this.problem(entry, `unknown field '${key}', expected one of ${known.join(', ')}${tip}`);
      } else if (similar !== undefined && !this.#map.entries.has(similar)) {
        const message = `${this.#subject}: unknown key '${key}' is ignored – did you mean '${similar}'?`;
        slips.push({ position: entry.position, message });
      }
    }
    return slips;
  }

  #contextAwareResource(key: string, item: Located): ContextAwareResource | undefined {
    if (item.kind !== 'map') {
      this.#expected(key, '{apiVersion, kind}', item);
      return undefined;
    }
    const reader = new FieldReader(item, `${this.#subject}: key '${key}'`, this.#problems);
    return { apiVersion: reader.requiredText('apiVersion'), kind: reader.requiredText('kind') };
  }

  /** JSON has no other keys than texts, and `1: x` or `on: x` would reach the policy as something the writer did not mean. */
  #checkSettingsKeys(path: string, map: LocatedMap): void {
    const pending: (readonly [string, Located])[] = [[path, map]];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const [parent, node] = next;
      if (node.kind === 'sequence') node.items.forEach((item, index) => pending.push([`${parent}[${index}]`, item]));
      if (node.kind !== 'map') continue;
      for (const [key, entry] of node.entries) {
        if (!entry.keyIsText) this.problem(entry, `key '${parent}': expected a text as key, got ${key} – quote it`);
        pending.push([`${parent}.${key}`, entry.value]);
      }
    }
  }

  #optional(key: string): Located | undefined {
    const value = this.#map.entries.get(key)?.value;
    return value?.kind === 'scalar' && value.value === null ? undefined : value;
  }

  #text(key: string, value: Located): string | undefined {
    if (value.kind === 'scalar' && typeof value.value === 'string') return value.value;
    this.#expected(key, 'a text', value);
    return undefined;
  }

  #expected(key: string, expected: string, got: Located): void {
    this.problem(got, `key '${key}': expected ${expected}, got ${describeKind(got)}`);
  }

  #misspelt(key: string): string {
    const similar = nearest(key, this.#map.entries.keys());
    return similar === undefined ? '' : ` – did you mean it by '${similar}'?`;
  }
}
