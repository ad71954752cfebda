import { formatInstanceReport, type InstanceReport } from '@portcullis/evaluator';
import type { ExecutionMode } from '@portcullis/protocol';

/** One line of the start table: a policy, a group, or a member of a group. */
export interface PolicyTableRow {
  readonly id: string;
  readonly kind: 'policy' | 'group' | 'member';
  readonly mode: 'protect' | 'monitor';
  readonly executionMode: ExecutionMode | undefined;
  /** sha256 of the module, lower-case hex. */
  readonly sha256: string | undefined;
  readonly sizeBytes: number | undefined;
  /** How its evaluations come to their first state. */
  readonly instances: InstanceReport | undefined;
  /** Why it cannot be served; absent = ready. */
  readonly problem: string | undefined;
}

const HEAD = ['POLICY', 'MODE', 'RUNTIME', 'MODULE', 'SIZE', 'INSTANCES', 'READY'] as const;
const SHORT_DIGEST = 12;

/** The table for people: what is served, from which module, and what is not and why. */
export function formatPolicyTable(rows: readonly PolicyTableRow[]): string {
  const cells: (readonly string[])[] = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

function cellsOf(row: PolicyTableRow): readonly string[] {
  return [
    row.kind === 'member' ? `  ${row.id}` : row.id,
    row.mode,
    row.kind === 'group' ? 'group' : (row.executionMode ?? '–'),
    row.sha256?.slice(0, SHORT_DIGEST) ?? '–',
    row.sizeBytes === undefined ? '–' : formatSize(row.sizeBytes),
    row.instances === undefined ? '–' : formatInstanceReport(row.instances),
    row.problem === undefined ? 'yes' : `no: ${row.problem.replaceAll(/\s+/g, ' ')}`,
  ];
}

/** `0.4 kB`, `1.6 MB`: decimal units, as registries show them. */
function formatSize(bytes: number): string {
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
