/** `syntax`: the text is not JSON. `data`: it is JSON of another shape than was asked for. */
export type JsonErrorCode = 'syntax' | 'data';

/** Where a {@link JsonError} was noticed. `line` is 0 when the value did not come from a text. */
export interface JsonErrorPlace {
  readonly line: number;
  /** In bytes from the start of the line. */
  readonly column: number;
  /** Typed fields on the way to the value (`request.kind`), empty at the top. */
  readonly path?: string;
}

/** A text that is not JSON, or JSON that does not have the expected shape. */
export class JsonError extends Error {
  readonly code: JsonErrorCode;
  /** What is wrong, without path and position. */
  readonly detail: string;
  readonly path: string;
  readonly line: number;
  readonly column: number;

  constructor(code: JsonErrorCode, detail: string, place: JsonErrorPlace) {
    const { line, column, path = '' } = place;
    const position = line > 0 ? ` at line ${line} column ${column}` : '';
    super(`${path === '' ? '' : `${path}: `}${detail}${position}`);
    this.name = 'JsonError';
    this.code = code;
    this.detail = detail;
    this.path = path;
    this.line = line;
    this.column = column;
  }

  /** The same error seen from the parent: `segment` is a field name or `[index]`. */
  within(segment: string): JsonError {
    const joint = this.path === '' || this.path.startsWith('[') ? '' : '.';
    return new JsonError(this.code, this.detail, {
      line: this.line,
      column: this.column,
      path: `${segment}${joint}${this.path}`,
    });
  }

  /** The same error for a place where only the position is told. */
  withoutPath(): JsonError {
    return new JsonError(this.code, this.detail, { line: this.line, column: this.column });
  }

  /** The same error for a reader who never saw the text: detail only. */
  withoutPosition(): JsonError {
    return new JsonError(this.code, this.detail, { line: 0, column: 0 });
  }
}

/** Bytes that are not UTF-8. */
export class Utf8Error extends Error {
  /** Of the first byte that cannot be part of a character. */
  readonly offset: number;

  constructor(offset: number) {
    super(`invalid UTF-8 at byte ${offset}`);
    this.name = 'Utf8Error';
    this.offset = offset;
  }
}

/** Bytes that are not a WebAssembly binary, or whose policy metadata cannot be read. */
export class ModuleError extends Error {
  /** Byte offset in the module. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = 'ModuleError';
    this.offset = offset;
  }
}

/** A host capability pattern that can match nothing. */
export class CapabilityPatternError extends Error {
  readonly pattern: string;

  constructor(message: string, pattern: string) {
    super(message);
    this.name = 'CapabilityPatternError';
    this.pattern = pattern;
  }
}

export type ImageReferenceErrorCode =
  | 'empty'
  | 'too-long'
  | 'ambiguous'
  | 'invalid-registry'
  | 'invalid-repository'
  | 'invalid-tag'
  | 'invalid-digest';

/** A text that does not name a container image. */
export class ImageReferenceError extends Error {
  readonly code: ImageReferenceErrorCode;

  constructor(code: ImageReferenceErrorCode, message: string) {
    super(message);
    this.name = 'ImageReferenceError';
    this.code = code;
  }
}

/** What an unknown thrown value says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
