import { type Directive, formatArgument, type GoArgument } from './verbs.ts';

/** Go refuses larger widths and precisions too. */
const LARGEST_NUMBER = 1_000_000;

/** Told the length so far, may throw to end a text that grows out of bounds. */
export type SizeCheck = (length: number) => void;

/** Go's `fmt.Sprintf`, its ways to show mistakes included. Never throws but through `checkSize`. */
export function formatGo(format: string, values: readonly GoArgument[], checkSize: SizeCheck): string {
  return new Formatter(format, values, checkSize).run();
}

class Formatter {
  readonly #format: string;
  readonly #values: readonly GoArgument[];
  readonly #checkSize: SizeCheck;
  readonly #parts: string[] = [];
  #length = 0;
  #at = 0;
  #next = 0;
  #reordered = false;
  #goodIndex = true;

  constructor(format: string, values: readonly GoArgument[], checkSize: SizeCheck) {
    this.#format = format;
    this.#values = values;
    this.#checkSize = checkSize;
  }

  run(): string {
    while (this.#at < this.#format.length) {
      const percent = this.#format.indexOf('%', this.#at);
      const end = percent === -1 ? this.#format.length : percent;
      this.#emit(this.#format.slice(this.#at, end));
      this.#at = end + 1;
      if (percent !== -1) this.#directive();
    }
    if (!this.#reordered && this.#next < this.#values.length) this.#extra();
    return this.#parts.join('');
  }

  #emit(text: string): void {
    if (text === '') return;
    this.#length += text.length;
    this.#checkSize(this.#length);
    this.#parts.push(text);
  }

  #directive(): void {
    this.#goodIndex = true;
    const directive = this.#flags();
    const indexed = this.#width(directive, this.#index());
    if (!this.#precision(directive, indexed)) this.#index();
    const verb = this.#verb();
    if (verb === undefined) return this.#emit('%!(NOVERB)');
    if (verb === '%') return this.#emit('%');
    if (!this.#goodIndex) return this.#emit(`%!${verb}(BADINDEX)`);
    const value = this.#values[this.#next];
    if (value === undefined) return this.#emit(`%!${verb}(MISSING)`);
    this.#next++;
    this.#emit(formatArgument(value, verb, directive));
  }

  #flags(): Directive {
    const found = /[#0+\- ]*/y;
    found.lastIndex = this.#at;
    const flags = found.exec(this.#format)?.[0] ?? '';
    this.#at += flags.length;
    return {
      plus: flags.includes('+'),
      minus: flags.includes('-'),
      sharp: flags.includes('#'),
      space: flags.includes(' '),
      zero: flags.includes('0'),
      width: undefined,
      precision: undefined,
    };
  }

  /** @returns whether an index that no width followed is still pending. */
  #width(directive: Directive, indexed: boolean): boolean {
    if (this.#skip('*')) {
      const width = this.#integerArgument();
      if (width === undefined) this.#emit('%!(BADWIDTH)');
      else directive.width = Math.abs(width);
      if (width !== undefined && width < 0) {
        directive.minus = true;
        directive.zero = false;
      }
      return false;
    }
    directive.width = this.#number();
    if (indexed && directive.width !== undefined) this.#goodIndex = false;
    return indexed;
  }

  #precision(directive: Directive, indexed: boolean): boolean {
    // A point at the very end is taken for the verb.
    if (this.#at + 1 === this.#format.length || !this.#skip('.')) return indexed;
    if (indexed) this.#goodIndex = false;
    const indexedAgain = this.#index();
    if (!this.#skip('*')) {
      directive.precision = this.#number() ?? 0;
      return indexedAgain;
    }
    const precision = this.#integerArgument();
    if (precision === undefined || precision < 0) this.#emit('%!(BADPREC)');
    else directive.precision = precision;
    return false;
  }

  /** `[n]`: the next argument is the n-th. */
  #index(): boolean {
    if (this.#format[this.#at] !== '[') return false;
    this.#reordered = true;
    const close = this.#format.indexOf(']', this.#at);
    if (close === -1 || this.#format.length - this.#at < 3) {
      this.#goodIndex = false;
      this.#at++;
      return false;
    }
    const digits = this.#format.slice(this.#at + 1, close);
    this.#at = close + 1;
    const index = /^\d{1,7}$/.test(digits) && Number(digits) <= LARGEST_NUMBER ? Number(digits) - 1 : undefined;
    if (index !== undefined && index >= 0 && index < this.#values.length) {
      this.#next = index;
      return true;
    }
    this.#goodIndex = false;
    return index !== undefined;
  }

  #integerArgument(): number | undefined {
    const value = this.#values[this.#next];
    if (value === undefined) return undefined;
    this.#next++;
    if (value.type !== 'int64') return undefined;
    const number = Number(value.value);
    return Math.abs(number) <= LARGEST_NUMBER ? number : undefined;
  }

  #number(): number | undefined {
    const found = /\d+/y;
    found.lastIndex = this.#at;
    const digits = found.exec(this.#format)?.[0];
    if (digits === undefined) return undefined;
    this.#at += digits.length;
    if (Number(digits) <= LARGEST_NUMBER) return Number(digits);
    // As in Go: whoever asks for this gets no verb at all.
    this.#at = this.#format.length;
    return undefined;
  }

  #skip(mark: string): boolean {
    if (this.#format[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #verb(): string | undefined {
    const code = this.#format.codePointAt(this.#at);
    if (code === undefined) return undefined;
    const verb = String.fromCodePoint(code);
    this.#at += verb.length;
    return verb;
  }

  #extra(): void {
    const plain: Directive = {
      plus: false,
      minus: false,
      sharp: false,
      space: false,
      zero: false,
      width: undefined,
      precision: undefined,
    };
    this.#emit('%!(EXTRA ');
    for (let i = this.#next; i < this.#values.length; i++) {
      const value = this.#values[i];
      if (i > this.#next) this.#emit(', ');
      if (value !== undefined) this.#emit(`${value.type}=${formatArgument(value, 'v', plain)}`);
    }
    this.#emit(')');
  }
}
