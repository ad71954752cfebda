import type { HostTransport } from './transport.ts';

export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** Further fields of a log event; anything JSON can express. */
export type LogFields = Readonly<Record<string, unknown>>;

type WriteLog = (message: string, fields?: LogFields) => void;

/** Writes to the log of the host, next to the policy's id. Never throws: a log line does not change a verdict. */
export interface Log {
  readonly debug: WriteLog;
  readonly info: WriteLog;
  readonly warning: WriteLog;
  readonly error: WriteLog;
}

export function createLog(transport: HostTransport): Log {
  const write =
    (level: LogLevel): WriteLog =>
    (message, fields = {}) => {
      try {
        transport('kubewarden', 'tracing', 'log', encodeEvent(level, message, fields));
      } catch {
        // A host without logging is no reason to fail an evaluation.
      }
    };
  return { debug: write('debug'), info: write('info'), warning: write('warning'), error: write('error') };
}

function encodeEvent(level: LogLevel, message: string, fields: LogFields): string {
  try {
    return JSON.stringify({ ...fields, level, message });
  } catch {
    // Cyclic or otherwise not JSON: the message is worth more than its fields.
    return JSON.stringify({ level, message });
  }
}
