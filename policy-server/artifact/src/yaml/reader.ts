import type { Alias, Document, LineCounter, Node, Scalar } from 'yaml';
import type { JsonValue } from '@portcullis/protocol';
import { yamlLibrary } from './library.ts';
import { YamlError, type YamlDocument } from './node.ts';
import { resolvePlainScalar } from './plain-scalar.ts';

/** Keys of maps and indexes of lists from the root to a node. */
export type YamlPath = readonly (string | number)[];

export interface YamlReadOptions {
  /** `refuse` for documents of a known structure, `last-wins` for data. @default 'refuse' */
  readonly duplicateKeys?: 'refuse' | 'last-wins';
  /** Allows a local tag at the root, as in `!KubernetesGetResource`. @default false */
  readonly rootTag?: boolean;
  /** Told the tag of the root before anything below it is read. */
  readonly onRootTag?: (tag: string) => void;
  /**
   * Where an unquoted scalar is text although it looks like something else, as typed readers of YAML take it: a version
   * `1.10` is not the number 1.1. The segments of list items are numbers. @default never
   */
  readonly textAt?: (path: YamlPath) => 'always' | 'unless-null' | 'never';
  /** Where a value may carry a local tag as the name of its variant: `!equal x` is then read as `{equal: x}`. @default never */
  readonly variantAt?: (path: YamlPath) => boolean;
  /** Told the line of each value, counted from 1, for error messages about values that YAML has nothing against. */
  readonly onLine?: (path: YamlPath, line: number) => void;
}

const MAX_DEPTH = 127;
const TOO_DEEP = 'the document is nested too deeply';
/** Aliases may multiply a small document into a huge one ("billion laughs"). */
const MAX_NODES = 1_000_000;

/** Standard tags that leave a scalar the text it is; all other tags are refused. */
const TEXT_TAGS = new Set(['tag:yaml.org,2002:str', 'tag:yaml.org,2002:binary']);
const TYPED_TAGS = new Set(['bool', 'int', 'float', 'null'].map((name) => `tag:yaml.org,2002:${name}`));
const COLLECTION_TAGS = new Set(['tag:yaml.org,2002:map', 'tag:yaml.org,2002:seq']);

/**
 * Reads every document of a YAML text into the JSON model: YAML 1.2 core scalars, keys become their text, `<<` is an
 * ordinary key, integers keep all their digits. An empty text holds no document.
 *
 * @throws YamlError
 */
export function parseYamlDocuments(text: string, options: YamlReadOptions = {}): YamlDocument[] {
  const { Composer, LineCounter, Parser } = yamlLibrary();
  const lines = new LineCounter();
  try {
    const composer = new Composer({ schema: 'failsafe', uniqueKeys: false, merge: false, keepSourceTokens: false });
    const tokens = new Parser(lines.addNewLine).parse(text);
    return Array.from(composer.compose(tokens), (document) => readDocument(document, { lines, options }));
  } catch (error) {
    if (error instanceof RangeError) throw new YamlError(TOO_DEEP, { cause: error });
    throw error;
  }
}

/** Reads a text that holds one document, or none (`null`). */
export function parseYaml(text: string, options: YamlReadOptions = {}): YamlDocument {
  const [first, second] = parseYamlDocuments(text, options);
  if (second !== undefined) {
    throw new YamlError('deserializing from YAML containing more than one document is not supported');
  }
  return first ?? { tag: undefined, value: null };
}

interface Source {
  readonly lines: LineCounter;
  readonly options: YamlReadOptions;
}

function readDocument(document: Document.Parsed, source: Source): YamlDocument {
  const problem = document.errors[0];
  if (problem !== undefined) throw new YamlError(`${problemText(problem.message)}${at(problem.pos[0], source)}`);
  const root = document.contents;
  if (root === null) return { tag: undefined, value: null };
  const tag = source.options.rootTag === true ? localTag(root) : undefined;
  if (tag !== undefined) source.options.onRootTag?.(tag);
  return { tag, value: new NodeReader(document, source).read(root, { tagged: tag !== undefined }) };
}

/** The parser is recursive and reports its own exhausted stack as a syntax error. */
function problemText(message: string): string {
  return message.startsWith('Maximum call stack') ? TOO_DEEP : (message.split('\n')[0] ?? '');
}

function localTag(node: Node): string | undefined {
  const tag = yamlLibrary().isAlias(node) ? undefined : node.tag;
  return tag !== undefined && /^![^!]/.test(tag) ? tag.slice(1) : undefined;
}

function at(offset: number | undefined, { lines }: Source): string {
  if (offset === undefined) return '';
  const { line, col } = lines.linePos(offset);
  return ` at line ${line} column ${col}`;
}

class NodeReader {
  readonly #document: Document.Parsed;
  readonly #source: Source;
  readonly #path: (string | number)[] = [];
  #nodes = 0;
  #depth = 0;

  constructor(document: Document.Parsed, source: Source) {
    this.#document = document;
    this.#source = source;
  }

  read(node: unknown, { tagged = false }: { tagged?: boolean } = {}): JsonValue {
    if (++this.#nodes > MAX_NODES) throw this.#error('repetition limit exceeded', node);
    if (this.#depth > MAX_DEPTH) throw this.#error('recursion limit exceeded', node);
    this.#tellLine(node);
    if (node === null) return null;
    const { isAlias, isMap, isScalar, isSeq } = yamlLibrary();
    if (isAlias(node)) return this.#readAlias(node);
    const variant = tagged ? undefined : this.#variantOf(node);
    if (variant !== undefined) return new Map([[variant, this.read(node, { tagged: true })]]);
    if (isScalar(node)) return this.#readScalar(node, tagged);
    if (!tagged && (isMap(node) || isSeq(node))) this.#refuseTag(node, COLLECTION_TAGS);
    if (isSeq(node)) return node.items.map((item, index) => this.#readBelow(index, item));
    if (isMap(node)) return this.#readMap(node.items);
    throw this.#error('unexpected node', node);
  }

  #variantOf(node: unknown): string | undefined {
    const { isMap, isScalar, isSeq } = yamlLibrary();
    const isPossible = isScalar(node) || isMap(node) || isSeq(node);
    return isPossible && this.#source.options.variantAt?.(this.#path) === true ? localTag(node) : undefined;
  }

  #readBelow(segment: string | number, node: unknown): JsonValue {
    this.#path.push(segment);
    const value = this.#readDeeper(node);
    this.#path.pop();
    return value;
  }

  #readDeeper(node: unknown): JsonValue {
    this.#depth++;
    const value = this.read(node);
    this.#depth--;
    return value;
  }

  #readAlias(node: Alias): JsonValue {
    const target = node.resolve(this.#document);
    if (target === undefined) throw this.#error('unknown anchor', node);
    // Counts as depth, so that an alias to a node around it ends at the recursion limit.
    return this.#readDeeper(target);
  }

  #readScalar(node: Scalar, tagged: boolean): JsonValue {
    const text = textOf(node);
    const isTyped = node.tag !== undefined && TYPED_TAGS.has(node.tag);
    if (node.tag !== undefined && node.tag !== '!' && !tagged && !isTyped) {
      this.#refuseTag(node, TEXT_TAGS);
      return text;
    }
    if (!isTyped && (node.type !== 'PLAIN' || node.tag === '!')) return text;
    return this.#resolve(node, text);
  }

  #resolve(node: Scalar, text: string): JsonValue {
    const rule = this.#source.options.textAt?.(this.#path) ?? 'never';
    if (rule === 'always') return text;
    try {
      const value = resolvePlainScalar(text);
      return rule === 'unless-null' && value !== null ? text : value;
    } catch (error) {
      if (!(error instanceof YamlError)) throw error;
      if (rule === 'unless-null') return text;
      throw this.#error(error.message, node);
    }
  }

  #readMap(items: readonly { key: unknown; value: unknown }[]): JsonValue {
    const map = new Map<string, JsonValue>();
    for (const { key, value } of items) {
      const name = this.#keyText(key);
      if (map.has(name)) {
        if (this.#source.options.duplicateKeys !== 'last-wins') throw this.#error(`duplicate field \`${name}\``, key);
        map.delete(name);
      }
      map.set(name, this.#readBelow(name, value));
    }
    return map;
  }

  #keyText(key: unknown): string {
    const { isAlias, isScalar } = yamlLibrary();
    const node = isAlias(key) ? key.resolve(this.#document) : key;
    if (isScalar(node)) return textOf(node);
    if (node === null) return '';
    throw this.#error('expected a scalar as key, got a collection', key);
  }

  #refuseTag(node: { tag?: string | undefined }, allowed: ReadonlySet<string>): void {
    if (node.tag !== undefined && node.tag !== '!' && !allowed.has(node.tag)) {
      throw this.#error(`unexpected tag ${node.tag}`, node);
    }
  }

  #tellLine(node: unknown): void {
    const { lines, options } = this.#source;
    if (options.onLine === undefined) return;
    const start = startOf(node);
    if (start !== undefined) options.onLine(this.#path, lines.linePos(start).line);
  }

  #error(message: string, node: unknown): YamlError {
    const start = startOf(node);
    const path = pathText(this.#path.slice(0, MAX_SHOWN_PATH));
    return new YamlError(`${path === '' ? '' : `${path}: `}${message}${at(start, this.#source)}`);
  }
}

/** Offset of a node in the text. */
function startOf(node: unknown): number | undefined {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : undefined;
}

const MAX_SHOWN_PATH = 16;

/** `spec.rules[0].operations` */
function pathText(path: YamlPath): string {
  return path
    .map((segment, at) => (typeof segment === 'number' ? `[${segment}]` : `${at === 0 ? '' : '.'}${segment}`))
    .join('');
}

function textOf(node: Scalar): string {
  return node.source ?? (typeof node.value === 'string' ? node.value : '');
}
