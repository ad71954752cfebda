import type { Log, LogEntry } from './log.ts';

/** A log for tests: what was written, at every level. */
export interface MemoryLog extends Log {
  readonly entries: LogEntry[];
}

export function memoryLog(): MemoryLog {
  const entries: LogEntry[] = [];
  return { entries, write: (entry) => void entries.push(entry), isEnabled: () => true };
}
