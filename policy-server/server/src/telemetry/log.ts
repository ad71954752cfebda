import { pino } from 'pino';
import { formatTextLine, formatTimestamp } from './text-line.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Structured part of a log line. Absent values are left out; nothing here may hold a request body or settings. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface LogEntry {
  readonly level: LogLevel;
  /** Which part of the server speaks; `policy_log` for policies. */
  readonly target: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Where the server and its policies write what happens. */
export interface Log {
  write(entry: LogEntry): void;
  isEnabled(level: LogLevel): boolean;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  readonly colour: boolean;
  readonly write: (line: string) => void;
  /** Milliseconds since the epoch, with a fraction. */
  readonly nowMs: () => number;
}

/** Makes the log of a process: lines for people, or one JSON object a line for machines. */
export function createLog(options: LogOptions): Log {
  const threshold = LOG_LEVELS.indexOf(options.level);
  const isEnabled = (level: LogLevel): boolean => LOG_LEVELS.indexOf(level) >= threshold;
  const write = options.format === 'json' ? jsonWriter(options) : textWriter(options);
  return { isEnabled, write: (entry) => void (isEnabled(entry.level) && write(entry)) };
}

/** One part's view of the log. */
export interface TargetLog {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Binds a log to the part that speaks, such as `policy_server::http`. */
export function logFor(log: Log, target: string): TargetLog {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      log.write({ level, target, message, fields });
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function textWriter({ write, colour, nowMs }: LogOptions): (entry: LogEntry) => void {
  return (entry) => write(`${formatTextLine(entry, { colour, nowMs: nowMs() })}\n`);
}

/** The shape log collectors of Kubewarden installations read: timestamp, level, fields, target. */
function jsonWriter({ write, nowMs }: LogOptions): (entry: LogEntry) => void {
  const logger = pino(
    {
      level: 'trace',
      base: null,
      timestamp: () => `,"timestamp":"${formatTimestamp(nowMs())}"`,
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
    },
    { write },
  );
  return ({ level, target, message, fields }) => logger[level]({ fields: { message, ...fields }, target });
}
