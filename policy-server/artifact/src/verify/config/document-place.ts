import { JsonNumber, type JsonValue } from '@portcullis/protocol';

/** A document of another structure than it should have. The message is that of typed readers of YAML. */
export class StructureError extends Error {
  /** The way to the value: `allOf[0].subject`; empty at the top. */
  readonly path: string;

  constructor(message: string, path: string) {
    super(message);
    this.name = 'StructureError';
    this.path = path;
  }
}

/** A value in a document, and the way to it. Reads strictly: a field nobody knows is an error, for it may be a misspelt one. */
export class DocumentPlace {
  readonly #value: JsonValue;
  readonly #path: string;

  constructor(value: JsonValue, path: string) {
    this.#value = value;
    this.#path = path;
  }

  get isNull(): boolean {
    return this.#value === null;
  }

  text(): string {
    return typeof this.#value === 'string' ? this.#value : this.#refuse('a string');
  }

  wholeNumber(name: string, max: number): number {
    const value = this.#value;
    if (!(value instanceof JsonNumber) || !value.isInteger) return this.#refuse(name);
    const number = value.toNumber();
    if (number >= 0 && number <= max) return number;
    throw this.error(`invalid value: integer \`${value.text}\`, expected ${name}`);
  }

  items(): DocumentPlace[] {
    if (!Array.isArray(this.#value)) return this.#refuse('a sequence');
    return this.#value.map((item, at) => new DocumentPlace(item, pathBelow(this.#path, at)));
  }

  members(): Map<string, DocumentPlace> {
    if (!(this.#value instanceof Map)) return this.#refuse('a map');
    return new Map(
      Array.from(this.#value, ([key, value]) => [key, new DocumentPlace(value, pathBelow(this.#path, key))]),
    );
  }

  /** Members that are set, `null` being the same as absent; all must be among `known`, but for the discriminator. */
  fields<const K extends string>(known: readonly K[], discriminator?: string): Partial<Record<K, DocumentPlace>> {
    const fields: Partial<Record<K, DocumentPlace>> = {};
    for (const [key, place] of this.members()) {
      if (key === discriminator) continue;
      const name = known.find((candidate) => candidate === key);
      if (name === undefined) throw this.error(`unknown field \`${shown(key)}\`, expected ${alternatives(known)}`);
      if (!place.isNull) fields[name] = place;
    }
    return fields;
  }

  /** A member that must be there. */
  required(field: DocumentPlace | undefined, name: string): DocumentPlace {
    if (field === undefined) throw this.error(`missing field \`${name}\``);
    return field;
  }

  /** One of a closed set of names: what the value says, or what `text` says about it. */
  variant<const V extends string>(variants: readonly V[], text: string = this.text()): V {
    const found = variants.find((candidate) => candidate === text);
    if (found === undefined) throw this.error(`unknown variant \`${shown(text)}\`, expected ${alternatives(variants)}`);
    return found;
  }

  error(message: string): StructureError {
    return new StructureError(message, this.#path);
  }

  #refuse(expected: string): never {
    throw this.error(`invalid type: ${described(this.#value)}, expected ${expected}`);
  }
}

/** The way to a member or an item: `allOf[0].subject`. */
export function pathBelow(parent: string, segment: string | number): string {
  if (typeof segment === 'number') return `${parent}[${segment}]`;
  return parent === '' ? segment : `${parent}.${segment}`;
}

const MAX_SHOWN = 100;

function shown(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN).toWellFormed()}…`;
}

function described(value: JsonValue): string {
  if (value === null) return 'unit value';
  if (value instanceof Map) return 'map';
  if (Array.isArray(value)) return 'sequence';
  if (value instanceof JsonNumber) return `${value.isInteger ? 'integer' : 'floating point'} \`${shown(value.text)}\``;
  return typeof value === 'boolean' ? `boolean \`${value}\`` : `string ${JSON.stringify(shown(value))}`;
}

function alternatives(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``);
  return quoted.length <= 2 ? quoted.join(' or ') : `one of ${quoted.join(', ')}`;
}
