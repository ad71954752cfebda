import type { InstanceReport } from './runtimes/runtime.ts';

/** On one line, for people: `reset`, `reset at its first read of standard input`, `fresh: its code writes to a table`. */
export function formatInstanceReport(report: InstanceReport): string {
  const text = report.kind === 'reset' ? `reset ${report.image ?? ''}` : `fresh: ${report.reason}`;
  return text.replaceAll(/\s+/g, ' ').trim();
}
