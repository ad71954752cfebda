import { styleText } from 'node:util';
import type { LogEntry, LogLevel } from './log.ts';

const LEVEL_NAMES = { trace: 'TRACE', debug: 'DEBUG', info: ' INFO', warn: ' WARN', error: 'ERROR' } as const;
const COLOURS = { trace: 'magenta', debug: 'blue', info: 'green', warn: 'yellow', error: 'red' } as const;

/** `<RFC3339 µs>Z  INFO target: message key="text" other=1`: the line people and grep know. */
export function formatTextLine(
  { level, target, message, fields }: LogEntry,
  { colour, nowMs }: { colour: boolean; nowMs: number },
): string {
  const paint: Paint = colour ? painted : plain;
  const head = `${paint('dim', formatTimestamp(nowMs))} ${paint(COLOURS[level], LEVEL_NAMES[level])}`;
  let line = `${head} ${paint('dim', `${target}:`)} ${escapeControls(message)}`;
  for (const key of Object.keys(fields)) {
    const value = fields[key];
    if (value !== undefined) line += ` ${paint('italic', key)}${paint('dim', '=')}${formatValue(value)}`;
  }
  return line;
}

/** UTC with six fractional digits. */
export function formatTimestamp(nowMs: number): string {
  const second = Math.floor(nowMs / 1000);
  if (second !== lastSecond.second) lastSecond = { second, text: new Date(second * 1000).toISOString().slice(0, -4) };
  const micros = Math.floor((nowMs - second * 1000) * 1000);
  return `${lastSecond.text}${String(micros).padStart(6, '0')}Z`;
}

/** Many lines are written in one second. */
let lastSecond = { second: NaN, text: '' };

type Paint = (style: (typeof COLOURS)[LogLevel] | 'dim' | 'italic', text: string) => string;

function painted(style: Parameters<Paint>[0], text: string): string {
  return styleText(style, text, { validateStream: false });
}

function plain(_style: unknown, text: string): string {
  return text;
}

/** Printable ASCII that JSON writes as it is. */
const PLAIN_VALUE = /^[ !#-[\]-~]*$/;
const PRINTABLE = /^[ -~]*$/;

function formatValue(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  return PLAIN_VALUE.test(value) ? `"${value}"` : escapeControls(JSON.stringify(value));
}

/** Policies and clients choose some of these texts: a line break would let them forge log lines, ESC the terminal. */
function escapeControls(text: string): string {
  if (PRINTABLE.test(text)) return text;
  // oxlint-disable-next-line no-control-regex -- control characters are what is replaced
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => {
    if (char === '\n') return '\\n';
    return `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}
