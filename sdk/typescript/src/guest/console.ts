import type { Log } from '../host/log.ts';

type Print = (...values: readonly unknown[]) => void;

/** The part of `console` that makes sense in a policy. */
export type GuestConsole = Record<'debug' | 'trace' | 'log' | 'info' | 'warn' | 'error', Print>;

/** Dependencies print with `console`; a policy's output goes to the host's log. */
export function createConsole(log: Log): GuestConsole {
  const print =
    (write: (message: string) => void): Print =>
    (...values) =>
      write(values.map(formatValue).join(' '));
  return {
    debug: print(log.debug),
    trace: print(log.debug),
    log: print(log.info),
    info: print(log.info),
    warn: print(log.warning),
    error: print(log.error),
  };
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
