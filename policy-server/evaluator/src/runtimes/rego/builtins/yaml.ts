import { messageOf } from '@portcullis/protocol';
import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Pair,
  Parser,
  type YAMLMap,
} from 'yaml';
import { ABANDONMENT } from '../../abandonment.ts';
import { countStep } from '../interruption.ts';
import { RegoNumber, RegoObject, type RegoValue } from '../value.ts';
import { type Builtin, BuiltinError, operand, stringOperand } from './builtin.ts';
import { printYaml } from './yaml-print.ts';
import { resolveScalar } from './yaml-scalar.ts';

/** Reading YAML costs much more than reading JSON: policies have no business with larger texts. */
const MAX_LENGTH = 1_048_576;
/** Aliases let a few lines stand for billions of values: all values are counted. */
const MAX_NODES = 200_000;
const MAX_DEPTH = 256;

/** YAML 1.2 §5.1: the characters no document holds. */
const FORBIDDEN = /(?![\t\n\r\u0085])\p{Cc}|[\ufffe\uffff]|\p{Cs}/u;

export const yamlBuiltins: Readonly<Record<string, Builtin>> = {
  'yaml.is_valid': (operands) => {
    const text = operand(operands, 0);
    return typeof text === 'string' && isYaml(text);
  },
  'yaml.unmarshal': (operands) => parseYaml(stringOperand(operands, 0)),
  'yaml.marshal': (operands) => printYaml(operand(operands, 0)),
};

function isYaml(text: string): boolean {
  try {
    parseYaml(text);
    return true;
  } catch (error) {
    if (error instanceof BuiltinError) return false;
    throw error;
  }
}

/** The first document; the others must be well-formed. */
function parseYaml(text: string): RegoValue {
  if (text.length > MAX_LENGTH) throw new BuiltinError(`the YAML text is longer than ${MAX_LENGTH} characters`);
  if (FORBIDDEN.test(text)) throw new BuiltinError('yaml: control characters are not allowed');
  const documents = readDocuments(text);
  const [first] = documents;
  return first === undefined ? null : new NodeReader().value(first.contents, 0);
}

function readDocuments(text: string): Document.Parsed[] {
  // Scalars are resolved here, by Go's rules; and the library's check for unique keys takes quadratic time.
  const composer = new Composer({ schema: 'failsafe', uniqueKeys: false, prettyErrors: false, logLevel: 'silent' });
  try {
    const documents = [...composer.compose(tokensOf(text))];
    for (const { errors, warnings } of documents.length === 0 ? [composer.streamInfo()] : documents) {
      // An unknown directive is only a warning to the library.
      const error = errors[0] ?? warnings.find(({ code }) => code === 'BAD_DIRECTIVE');
      if (error !== undefined) throw new BuiltinError(`yaml: ${error.message}`);
    }
    return documents;
  } catch (error) {
    if (error instanceof BuiltinError || error === ABANDONMENT) throw error;
    throw new BuiltinError(`yaml: ${messageOf(error)}`);
  }
}

/** The library's own way from a text to its tokens, one lexeme at a time. */
function* tokensOf(text: string): Generator<CST.Token> {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    countStep();
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}

class NodeReader {
  readonly #anchors = new Map<string, unknown>();
  readonly #open = new Set<unknown>();
  #nodes = 0;

  value(node: unknown, depth: number): RegoValue {
    countStep();
    if (++this.#nodes > MAX_NODES) throw new BuiltinError(`yaml: the document holds more than ${MAX_NODES} values`);
    if (depth > MAX_DEPTH) throw new BuiltinError(`yaml: the document is nested deeper than ${MAX_DEPTH} levels`);
    if (isAlias(node)) return this.value(this.#target(node), depth + 1);
    this.#remember(node);
    if (isScalar(node))
      return resolveScalar(node.source ?? '', {
        plain: node.type === 'PLAIN',
        tag: node.tag,
      });
    if (!isMap(node) && !isSeq(node)) return null;
    if (this.#open.has(node)) throw new BuiltinError('yaml: an anchor contains itself');
    this.#open.add(node);
    const value = isMap(node) ? this.#object(node, depth) : node.items.map((item) => this.value(item, depth + 1));
    this.#open.delete(node);
    return value;
  }

  #remember(node: unknown): void {
    if (!(isScalar(node) || isMap(node) || isSeq(node)) || node.anchor === undefined) return;
    if (!/^[\w-]+$/.test(node.anchor)) throw new BuiltinError('yaml: an anchor must be alphabetic or numeric');
    this.#anchors.set(node.anchor, node);
  }

  /** Anchors are known from where they stand; the library would search the document for each. */
  #target(alias: Alias): unknown {
    const target = this.#anchors.get(alias.source);
    if (target === undefined) throw new BuiltinError(`yaml: unknown anchor '${alias.source}' referenced`);
    return target;
  }

  #object(map: YAMLMap, depth: number): RegoObject {
    const own: [RegoValue, RegoValue][] = [];
    const merged: (readonly [RegoValue, RegoValue])[] = [];
    for (const pair of map.items) {
      if (isMergeKey(pair)) merged.unshift(...this.#merged(pair.value, depth));
      else own.push([keyText(this.value(pair.key, depth + 1)), this.value(pair.value, depth + 1)]);
    }
    return new RegoObject([...merged, ...own]);
  }

  /** Members in the order in which they may be overwritten: the first mapping of a list wins. */
  #merged(node: unknown, depth: number): (readonly [RegoValue, RegoValue])[] {
    const sources = isSeq(node) ? node.items.toReversed() : [node];
    return sources.flatMap((source) => {
      const value = this.value(source, depth + 1);
      if (value instanceof RegoObject) return [...value.entries()];
      throw new BuiltinError('yaml: map merge requires map or sequence of maps as the value');
    });
  }
}

function isMergeKey({ key }: Pair): boolean {
  return isScalar(key) && key.value === '<<' && key.type === 'PLAIN' && key.tag === undefined;
}

/** JSON knows only texts as keys. */
function keyText(key: RegoValue): string {
  if (typeof key === 'string') return key;
  if (key instanceof RegoNumber) return key.text;
  if (typeof key === 'boolean') return String(key);
  throw new BuiltinError('yaml: unsupported map key');
}
