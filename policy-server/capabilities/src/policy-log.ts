import { decodeUtf8, JsonError, parseJson, stringifyJson, Utf8Error, type JsonValue } from '@portcullis/protocol';

/** The levels of log records. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Something a policy said through `tracing/log`, or something it did that an operator should know. */
export interface PolicyLogEvent {
  readonly policyId: string;
  readonly level: LogLevel;
  readonly message: string;
  /** What came with the message, as a JSON object; absent for events of the host itself. */
  readonly data?: string;
}

export type PolicyLog = (event: PolicyLogEvent) => void;

/** The SDKs' log libraries have names of their own for some levels. */
const LEVELS = new Map<string, LogLevel>([
  ['trace', 'trace'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warning', 'warn'],
  ['warn', 'warn'],
  ['error', 'error'],
  ['fatal', 'error'],
  ['critical', 'error'],
]);

/** Reads the payload of `tracing/log`. It never throws: a policy must not fail because its log line was bad. */
export function readLogEvent(policyId: string, payload: Uint8Array): PolicyLogEvent {
  try {
    return eventFrom(policyId, parseJson(payload));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return cannotLog(policyId, error.message, payload);
  }
}

function eventFrom(policyId: string, value: JsonValue): PolicyLogEvent {
  if (!(value instanceof Map)) return cannotLog(policyId, 'expected an object', stringifyJson(value));
  const { level: name, message, rest } = split(value);
  const level = typeof name === 'string' ? LEVELS.get(name.toLowerCase()) : undefined;
  if (level === undefined) return cannotLog(policyId, 'unknown level', stringifyJson(value));
  return { policyId, level, message: typeof message === 'string' ? message : '', data: stringifyJson(rest) };
}

function split(value: Map<string, JsonValue>): {
  level?: JsonValue;
  message?: JsonValue;
  rest: Map<string, JsonValue>;
} {
  const rest = new Map(value);
  const level = value.get('level') ?? null;
  const message = value.get('message') ?? null;
  rest.delete('level');
  rest.delete('message');
  return { level, message, rest };
}

const MAX_SHOWN = 1024;

function cannotLog(policyId: string, reason: string, payload: Uint8Array | string): PolicyLogEvent {
  const text = typeof payload === 'string' ? payload : textOf(payload.subarray(0, MAX_SHOWN));
  const data = stringifyJson(
    new Map([
      ['error', reason],
      ['event', text.slice(0, MAX_SHOWN).toWellFormed()],
    ]),
  );
  return { policyId, level: 'error', message: 'Cannot log event', data };
}

function textOf(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    if (error instanceof Utf8Error) return `${bytes.length} bytes that are not UTF-8`;
    throw error;
  }
}
