import { ArtifactError } from '../errors.ts';
import type { YamlPath } from '../yaml/reader.ts';

/** Deep enough for every value whose place an operator may be told; lists of bytes lie below. */
const MAX_PLACE_DEPTH = 4;

/** What is wrong in a sources file. Everything is collected, so that one start shows all of it. */
export class SourcesProblems {
  readonly #name: string;
  readonly #lines = new Map<string, number>();
  readonly #found: { line: number; message: string }[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** Remembers where a value stands. */
  place(path: YamlPath, line: number): void {
    if (path.length <= MAX_PLACE_DEPTH) this.#lines.set(keyOf(path), line);
  }

  /** The value of `path` is not what it should be. */
  add(path: YamlPath, message: string): void {
    const where = path.length === 0 ? '' : `${placeText(path)}: `;
    this.addSentence(path, `${where}${message}`);
  }

  /** A whole sentence about the value of `path`; it names the place itself. */
  addSentence(path: YamlPath, message: string): void {
    this.#found.push({ line: this.#lineOf(path), message });
  }

  /** @throws ArtifactError `sources-invalid` when there is any problem */
  throwIfAny(): void {
    const [first, ...others] = this.#found.toSorted((a, b) => a.line - b.line);
    if (first === undefined) return;
    if (others.length === 0) throw sourcesInvalid(this.#name, `${first.message} at line ${first.line}`);
    const list = [first, ...others].map(({ line, message }) => `\n  line ${line}: ${message}`);
    throw sourcesInvalid(this.#name, `${list.length} problems${list.join('')}`);
  }

  /** Of the value, or of what is around it when it is missing. */
  #lineOf(path: YamlPath): number {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(keyOf(path.slice(0, length)));
      if (line !== undefined) return line;
    }
    return 1;
  }
}

export function sourcesInvalid(name: string, detail: string, cause?: unknown): ArtifactError {
  return new ArtifactError('sources-invalid', `error while loading sources from ${name}: ${detail}`, { cause });
}

/** `source_authorities.host[0].type` */
export function placeText(path: YamlPath): string {
  return path
    .map((segment, at) => (typeof segment === 'number' ? `[${segment}]` : `${at === 0 ? '' : '.'}${segment}`))
    .join('');
}

function keyOf(path: YamlPath): string {
  return JSON.stringify(path);
}
