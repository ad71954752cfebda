import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Alias,
  type Document,
  type Node,
  type Pair,
} from 'yaml';
import { resolvePlainScalar, YamlError } from '@portcullis/artifact';
import type { Located, LocatedEntry, LocatedMap, Position, Problem } from './located.ts';

const MAX_DEPTH = 127; // what a policy's JSON parser takes
const MAX_ALIAS_VALUES = 100_000;
const MAX_PROBLEMS = 100;
const CORE_TAG = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/;

/** Either the document's root (absent for an empty file), or everything that is wrong with its syntax. */
export interface ParsedDocument {
  readonly root: Located | undefined;
  readonly problems: readonly Problem[];
}

/** Thrown to leave a recursion that cannot go on; never leaves this module. */
class Unreadable extends Error {}

/**
 * Parses one YAML 1.2 document (and so JSON, which the controller writes) with the position of every value. Whatever could
 * make the file mean something else than it seems to (tags, merge keys, several documents) is a problem; what aliases may
 * expand to is bounded.
 */
export function parseDocument(text: string): ParsedDocument {
  const lines = new LineCounter();
  const problems: Problem[] = [];
  try {
    const documents = parseAllDocuments(text, {
      lineCounter: lines,
      intAsBigInt: true,
      uniqueKeys: false,
      merge: false,
      prettyErrors: false,
      logLevel: 'silent',
    });
    if (!Array.isArray(documents)) return { root: undefined, problems };
    const [document, second] = documents;
    if (document === undefined) return { root: undefined, problems };
    const reader = new DocumentReader(document, lines, problems);
    reader.readErrors(document);
    if (second !== undefined) reader.report(second.range[0], 'expected one YAML document, got several');
    return { root: problems.length > 0 ? undefined : reader.read(document.contents), problems };
  } catch (error) {
    // The YAML library recurses: RangeError is its stack's end.
    if (!(error instanceof Unreadable || error instanceof RangeError)) throw error;
    if (problems.length === 0) problems.push({ position: { line: 1, column: 1 }, message: 'nested too deeply' });
    return { root: undefined, problems };
  }
}

class DocumentReader {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #problems: Problem[];
  readonly #targets = new Map<Alias, unknown>();
  #aliasDepth = 0;
  #aliasValues = 0;

  constructor(document: Document.Parsed, lines: LineCounter, problems: Problem[]) {
    this.#document = document;
    this.#lines = lines;
    this.#problems = problems;
  }

  readErrors(document: Document.Parsed): void {
    for (const { pos, message } of document.errors) {
      // The library catches its own stack's end and reports it as an error of the text.
      this.report(pos[0], message.includes('call stack') ? 'nested too deeply' : message);
    }
  }

  report(offset: number, message: string): void {
    this.#problems.push({ position: this.#position(offset), message });
    if (this.#problems.length >= MAX_PROBLEMS) throw new Unreadable();
  }

  read(contents: Node | null): Located | undefined {
    return contents === null ? undefined : this.#node(contents, { offset: 0, depth: 0 });
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  #node(node: unknown, place: { offset: number; depth: number }): Located {
    const offset = offsetOf(node) ?? place.offset;
    const position = this.#position(offset);
    if (place.depth > MAX_DEPTH) this.#stop(offset, `nested deeper than ${MAX_DEPTH} levels`);
    if (this.#aliasDepth > 0 && ++this.#aliasValues > MAX_ALIAS_VALUES) {
      this.#stop(offset, `aliases expand to more than ${MAX_ALIAS_VALUES} values`);
    }
    if (isAlias(node)) return this.#alias(this.#target(node), { offset, depth: place.depth });
    this.#checkTag(node, offset);
    if (isMap(node)) return this.#map(node.items, { offset, depth: place.depth });
    if (isSeq(node)) {
      const items = node.items.map((item) => this.#node(item, { offset, depth: place.depth + 1 }));
      return { kind: 'sequence', position, items };
    }
    return { kind: 'scalar', position, value: isScalar(node) ? this.#scalar(node, offset) : null };
  }

  /** What the library took for text stays text, unless it is a number to those who write policies (`0b11`). */
  #scalar({ value, source, type }: { value: unknown; source?: string; type?: string }, offset: number) {
    if (typeof value === 'string' && type !== 'PLAIN') return value;
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.report(offset, `expected a value JSON can hold, got ${value}`);
      return null;
    }
    try {
      return resolvePlainScalar(source ?? String(value));
    } catch (error) {
      if (!(error instanceof YamlError)) throw error;
      this.report(offset, error.message);
      return null;
    }
  }

  /** Kept: the library walks the whole document to find an anchor, and an alias may be followed thousands of times. */
  #target(alias: Alias): unknown {
    if (!this.#targets.has(alias)) this.#targets.set(alias, alias.resolve(this.#document));
    return this.#targets.get(alias);
  }

  #alias(target: unknown, place: { offset: number; depth: number }): Located {
    if (target === undefined) this.#stop(place.offset, 'alias without an anchor before it');
    this.#aliasDepth++;
    const resolved = this.#node(target, { offset: place.offset, depth: place.depth + 1 });
    this.#aliasDepth--;
    return resolved;
  }

  #map(items: readonly Pair<unknown, unknown>[], place: { offset: number; depth: number }): LocatedMap {
    const entries = new Map<string, LocatedEntry>();
    for (const { key, value } of items) {
      const node = isAlias(key) ? this.#target(key) : key;
      const offset = offsetOf(key) ?? place.offset;
      const name = this.#key(node, offset);
      if (name === undefined) continue;
      // Delete first: the order of the map is the order of the entries that count.
      entries.delete(name);
      entries.set(name, {
        position: this.#position(offset),
        keyIsText: isScalar(node) && typeof node.value === 'string',
        value: this.#node(value, { offset, depth: place.depth + 1 }),
      });
    }
    return { kind: 'map', position: this.#position(place.offset), entries };
  }

  #key(node: unknown, offset: number): string | undefined {
    if (node === null) return '';
    if (!isScalar(node)) {
      this.report(offset, 'expected a text as key, got a list or a map');
      return undefined;
    }
    this.#checkTag(node, offset);
    if (node.type === 'PLAIN' && node.source === '<<') {
      this.report(offset, 'merge keys (<<) are not supported: write the keys out, or use an alias for a whole value');
      return undefined;
    }
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  #checkTag(node: unknown, offset: number): void {
    if (typeof node !== 'object' || node === null || !('tag' in node) || typeof node.tag !== 'string') return;
    if (!CORE_TAG.test(node.tag)) this.report(offset, `YAML tags are not supported, got ${JSON.stringify(node.tag)}`);
  }

  #stop(offset: number, message: string): never {
    this.report(offset, message);
    throw new Unreadable();
  }
}

function offsetOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const start: unknown = node.range[0];
  return typeof start === 'number' ? start : undefined;
}
