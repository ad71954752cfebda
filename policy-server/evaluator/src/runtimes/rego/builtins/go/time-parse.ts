import { countStep } from '../../interruption.ts';
import { daysInMonth, unixNanoseconds, UTC } from './instant.ts';
import { quoteText } from './quote.ts';
import { type LayoutPiece, MONTHS, readLayout, WEEKDAYS } from './time-layout.ts';

/** A text that does not follow its layout; the message is Go's. */
export class TimeSyntaxError extends SyntaxError {}

/** Go's `time.Parse`: nanoseconds since the epoch, `undefined` beyond every calendar. */
export function parseTime(layout: string, value: string): bigint | undefined {
  return new TimeParser(layout, value).parse();
}

/** `YY` below stands for the 2000s. */
const CENTURY_TURN = 69;

class TimeParser {
  readonly #layout: string;
  readonly #value: string;
  #rest: string;
  #year = 0;
  #month: number | undefined;
  #day: number | undefined;
  #yearDay: number | undefined;
  #hour = 0;
  #minute = 0;
  #second = 0;
  #nanosecond = 0;
  #half: 'am' | 'pm' | undefined;
  #offset = 0;

  constructor(layout: string, value: string) {
    this.#layout = layout;
    this.#value = value;
    this.#rest = value;
  }

  parse(): bigint | undefined {
    const pieces = readLayout(this.#layout);
    for (const [index, piece] of pieces.entries()) {
      if (piece.kind === 'literal') this.#literal(piece.text);
      else this.#element(piece.text, pieces[index + 1]);
    }
    if (this.#rest !== '') this.#fail(`extra text: ${quoteText(this.#rest)}`);
    const [month, day] = this.#monthAndDay();
    const fields = { year: this.#year, month, day, hour: this.#hour24(), minute: this.#minute, second: this.#second };
    const utc = unixNanoseconds({ ...fields, nanosecond: this.#nanosecond }, UTC);
    return utc === undefined ? undefined : utc - BigInt(this.#offset) * 1_000_000_000n;
  }

  /** A space of the layout stands for any number of them. */
  #literal(text: string): void {
    for (let at = 0; at < text.length; at++) {
      countStep();
      if (text[at] === ' ') {
        if (this.#rest !== '' && this.#rest[0] !== ' ') this.#mismatch(text);
        this.#rest = this.#rest.replace(/^ +/, '');
        while (text[at + 1] === ' ') at++;
      } else if (this.#rest[0] === text[at]) this.#rest = this.#rest.slice(1);
      else this.#mismatch(text);
    }
  }

  #element(element: string, next: LayoutPiece | undefined): void {
    const read = READERS.get(element);
    if (read !== undefined) return this.#number(element, read);
    if (/^[JM]/.test(element) && element !== 'MST') return this.#named(element);
    switch (element) {
      case '05':
      case '5':
        this.#second = this.#ranged(element, element === '05' ? /^\d\d/ : /^\d\d?/, ['second', 0, 59]);
        // Fractions may follow the seconds although the layout has none.
        if (next?.kind !== 'element' || !/^[.,]/.test(next.text)) this.#fraction();
        return;
      case 'PM':
      case 'pm':
        return this.#halfOfDay(element);
      case 'MST':
        return this.#abbreviation();
      default:
        return /^[-Z]/.test(element) ? this.#numericZone(element) : this.#layoutFraction(element);
    }
  }

  #number(element: string, { pattern, name, least, most }: NumberReader): void {
    const value = this.#ranged(element, pattern, [name, least, most]);
    if (name === 'year') this.#year = element === '2006' ? value : value + (value >= CENTURY_TURN ? 1900 : 2000);
    else if (name === 'month') this.#month = value;
    else if (name === 'day') this.#day = value;
    else if (name === 'day-of-year') this.#yearDay = value;
    else if (name === 'hour') this.#hour = value;
    else this.#minute = value;
  }

  #ranged(element: string, pattern: RegExp, [name, least, most]: readonly [string, number, number]): number {
    const value = Number(this.#take(pattern, element));
    if (value < least || value > most) this.#fail(`${name} out of range`);
    return value;
  }

  #halfOfDay(element: string): void {
    const text = this.#take(element === 'PM' ? /^[AP]M/ : /^[ap]m/, element);
    this.#half = text.toLowerCase() === 'pm' ? 'pm' : 'am';
  }

  #named(element: string): void {
    if (element.startsWith('J')) this.#month = this.#name(element, MONTHS) + 1;
    else this.#name(element, WEEKDAYS);
  }

  #name(element: string, names: readonly string[]): number {
    const isShort = element.length === 3;
    const found = names.findIndex((name) => {
      const wanted = isShort ? name.slice(0, 3) : name;
      return this.#rest.slice(0, wanted.length).toLowerCase() === wanted.toLowerCase();
    });
    if (found === -1) this.#mismatch(element);
    this.#rest = this.#rest.slice(isShort ? 3 : names[found]?.length);
    return found;
  }

  #layoutFraction(element: string): void {
    if (element[1] === '9') return this.#fraction(9);
    const digits = this.#take(new RegExp(`^[.,]\\d{${element.length - 1}}`), element).slice(1);
    this.#nanosecond = Number(digits.slice(0, 9).padEnd(9, '0'));
  }

  #fraction(most = Infinity): void {
    const found = /^[.,](\d+)/.exec(this.#rest);
    if (found === null) return;
    const digits = (found[1] ?? '').slice(0, most);
    this.#rest = this.#rest.slice(1 + digits.length);
    this.#nanosecond = Number(digits.slice(0, 9).padEnd(9, '0'));
  }

  #numericZone(element: string): void {
    if (element.startsWith('Z') && this.#rest.startsWith('Z')) {
      this.#rest = this.#rest.slice(1);
      return;
    }
    const separator = element.includes(':') ? ':' : '';
    const fields = element.replaceAll(':', '').length / 2 - 0.5;
    const pattern = new RegExp(`^([+-])(\\d\\d)${`${separator}(\\d\\d)`.repeat(fields - 1)}`);
    const [, sign, ...numbers] = pattern.exec(this.#take(pattern, element)) ?? [];
    const [hours = 0, minutes = 0, seconds = 0] = numbers.map(Number);
    // People do write offsets of 24 hours.
    if (hours > 24) this.#fail('time zone offset hour out of range');
    if (minutes > 60) this.#fail('time zone offset minute out of range');
    if (seconds > 60) this.#fail('time zone offset second out of range');
    this.#offset = (hours * 3600 + minutes * 60 + seconds) * (sign === '-' ? -1 : 1);
  }

  /** Names of zones say nothing certain about their offset: like Go, all count as UTC. */
  #abbreviation(): void {
    const text = this.#take(
      /^(?:UTC|ChST|MeST|GMT(?:[+-]\d{1,2})?|[+-]\d{2}|WITA|[A-Z]{4}T(?![A-Z])|[A-Z]{3}T(?![A-Z])|[A-Z]{3}(?![A-Z]))/,
      'MST',
    );
    const shift = /^GMT([+-]\d+)$/.exec(text)?.[1];
    if (shift !== undefined && Math.abs(Number(shift)) > 23) this.#mismatch('MST');
  }

  #hour24(): number {
    if (this.#half === 'pm' && this.#hour < 12) return this.#hour + 12;
    return this.#half === 'am' && this.#hour === 12 ? 0 : this.#hour;
  }

  #monthAndDay(): [number, number] {
    const isLeap = daysInMonth(this.#year, 2) === 29;
    if (this.#yearDay !== undefined) {
      if (this.#yearDay < 1 || this.#yearDay > (isLeap ? 366 : 365)) this.#fail('day-of-year out of range');
      return this.#fromYearDay(this.#yearDay);
    }
    const [month, day] = [this.#month ?? 1, this.#day ?? 1];
    if (day < 1 || day > daysInMonth(this.#year, month)) this.#fail('day out of range');
    return [month, day];
  }

  #fromYearDay(yearDay: number): [number, number] {
    let [month, day] = [1, yearDay];
    while (day > daysInMonth(this.#year, month)) day -= daysInMonth(this.#year, month++);
    if (this.#month !== undefined && this.#month !== month) this.#fail('day-of-year does not match month');
    if (this.#day !== undefined && this.#day !== day) this.#fail('day-of-year does not match day');
    return [month, day];
  }

  #take(pattern: RegExp, element: string): string {
    const text = pattern.exec(this.#rest)?.[0] ?? this.#mismatch(element);
    this.#rest = this.#rest.slice(text.length);
    return text;
  }

  #mismatch(element: string): never {
    const [value, layout] = [quoteText(this.#value), quoteText(this.#layout)];
    throw new TimeSyntaxError(
      `parsing time ${value} as ${layout}: cannot parse ${quoteText(this.#rest)} as ${quoteText(element)}`,
    );
  }

  #fail(reason: string): never {
    throw new TimeSyntaxError(`parsing time ${quoteText(this.#value)}: ${reason}`);
  }
}

interface NumberReader {
  readonly pattern: RegExp;
  readonly name: 'year' | 'month' | 'day' | 'day-of-year' | 'hour' | 'minute';
  readonly least: number;
  readonly most: number;
}

/** Days are checked once the month is known. */
const READERS: ReadonlyMap<string, NumberReader> = new Map([
  ['2006', { pattern: /^\d{4}/, name: 'year', least: 0, most: 9999 }],
  ['06', { pattern: /^\d\d/, name: 'year', least: 0, most: 99 }],
  ['01', { pattern: /^\d\d/, name: 'month', least: 1, most: 12 }],
  ['1', { pattern: /^\d\d?/, name: 'month', least: 1, most: 12 }],
  ['02', { pattern: /^\d\d/, name: 'day', least: 0, most: 99 }],
  ['_2', { pattern: /^ ?\d\d?/, name: 'day', least: 0, most: 99 }],
  ['2', { pattern: /^\d\d?/, name: 'day', least: 0, most: 99 }],
  ['002', { pattern: /^\d{3}/, name: 'day-of-year', least: 0, most: 999 }],
  ['__2', { pattern: /^ {0,2}\d{1,3}/, name: 'day-of-year', least: 0, most: 999 }],
  ['15', { pattern: /^\d\d?/, name: 'hour', least: 0, most: 23 }],
  ['03', { pattern: /^\d\d/, name: 'hour', least: 0, most: 12 }],
  ['3', { pattern: /^\d\d?/, name: 'hour', least: 0, most: 12 }],
  ['04', { pattern: /^\d\d/, name: 'minute', least: 0, most: 59 }],
  ['4', { pattern: /^\d\d?/, name: 'minute', least: 0, most: 59 }],
]);
