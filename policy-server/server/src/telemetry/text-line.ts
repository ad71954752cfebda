import { styleText } from 'node:util';
import type { LogEntry, LogLevel } from './log.ts';

const COLOURS = { trace: 'magenta', debug: 'blue', info: 'green', warn: 'yellow', error: 'red' } as const;

/** `<RFC3339 µs>Z  INFO target: message key="text" other=1`: the line people and grep know. */
export function formatTextLine(entry: LogEntry, options: { colour: boolean; nowMs: number }): string {
  const paint: Paint = options.colour ? (style, text) => styleText(style, text, { validateStream: false }) : plain;
  const timestamp = paint('dim', formatTimestamp(options.nowMs));
  const level = paint(COLOURS[entry.level], levelName(entry.level));
  const fields = Object.entries(entry.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${paint('italic', key)}${paint('dim', '=')}${formatValue(value ?? '')}`);
  return `${timestamp} ${level} ${paint('dim', `${entry.target}:`)} ${escapeControls(entry.message)}${fields.join('')}`;
}

/** UTC with six fractional digits. */
export function formatTimestamp(nowMs: number): string {
  const wholeMs = Math.floor(nowMs);
  const micros = Math.floor((nowMs - wholeMs) * 1000);
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

type Paint = (style: (typeof COLOURS)[LogLevel] | 'dim' | 'italic', text: string) => string;

function plain(_style: unknown, text: string): string {
  return text;
}

function levelName(level: LogLevel): string {
  return level.toUpperCase().padStart(5);
}

function formatValue(value: string | number | boolean): string {
  return typeof value === 'string' ? escapeControls(JSON.stringify(value)) : String(value);
}

/** Policies and clients choose some of these texts: a line break would let them forge log lines, ESC the terminal. */
function escapeControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is replaced
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => {
    if (char === '\n') return '\\n';
    return `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}
