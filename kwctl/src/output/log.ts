export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

export interface LogRecord {
  readonly level: LogLevel;
  /** Who says it: `kwctl::run`, `policy_log`. */
  readonly target: string;
  readonly message: string;
  /** Which policy is running, when one is. */
  readonly policyId?: string;
  /** Shown as `key=value`; values are written as they are. */
  readonly fields?: Readonly<Record<string, string>>;
}

export type Log = (record: LogRecord) => void;

export interface LogOptions {
  readonly write: (text: string) => void;
  readonly now: () => Date;
  /** The level of targets that RUST_LOG does not name. */
  readonly level: LogLevel;
  /** RUST_LOG: `target=level,…`. A level without a target has no effect. */
  readonly directives?: string | undefined;
  readonly color: boolean;
}

const SEVERITY: Readonly<Record<LogLevel | 'off', number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, off: 5 };
const COLORS: Readonly<Record<LogLevel, string>> = { trace: '35', debug: '34', info: '32', warn: '33', error: '31' };

/** A log in the format of Rust's `tracing`: UTC time, level, what is running, target, message, fields. */
export function createLog(options: LogOptions): Log {
  const directives = parseDirectives(options.directives ?? '');
  return (record) => {
    if (SEVERITY[record.level] < threshold(record.target, directives, options.level)) return;
    options.write(`${formatRecord(record, options.now(), options.color)}\n`);
  };
}

interface Directive {
  readonly target: string;
  readonly severity: number;
}

function parseDirectives(text: string): Directive[] {
  return text.split(',').flatMap((part) => {
    const [target, level] = part.trim().split('=');
    const name = level?.toLowerCase() ?? '';
    if (target === undefined || target === '' || !isLevel(name)) return [];
    return [{ target, severity: SEVERITY[name] }];
  });
}

function isLevel(name: string): name is LogLevel | 'off' {
  return Object.hasOwn(SEVERITY, name);
}

/** The most specific directive decides. */
function threshold(target: string, directives: readonly Directive[], level: LogLevel): number {
  const matching = directives.filter(
    (directive) => target === directive.target || target.startsWith(`${directive.target}::`),
  );
  const best = matching.sort((a, b) => b.target.length - a.target.length)[0];
  return best?.severity ?? SEVERITY[level];
}

function formatRecord(record: LogRecord, now: Date, color: boolean): string {
  const paint = (code: string, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const time = paint('2', now.toISOString().replace('Z', '000Z'));
  const level = paint(COLORS[record.level], record.level.toUpperCase().padStart(5));
  const span = record.policyId === undefined ? '' : `policy{id=${printable(record.policyId)}}: `;
  const target = paint('2', record.target) + paint('2', ':');
  const fields = Object.entries(record.fields ?? {}).map(
    ([key, value]) => ` ${paint('3', key)}${paint('2', '=')}${printable(value)}`,
  );
  return `${time} ${level} ${span}${target} ${printable(record.message)}${fields.join('')}`;
}

/**
 * Control characters other than tab and line feed, with which a policy could rewrite the terminal it is shown on, and marks
 * of direction, with which it could make text read otherwise than it is.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Makes a stranger's text safe to show; it may span lines. */
export function printable(text: string): string {
  return text.replace(CONTROL, (char) => `\\u{${char.charCodeAt(0).toString(16)}}`);
}
