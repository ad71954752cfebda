import Table from 'cli-table3';
import { printable } from './log.ts';

const CHARS = {
  top: '-',
  'top-mid': '+',
  'top-left': '+',
  'top-right': '+',
  bottom: '-',
  'bottom-mid': '+',
  'bottom-left': '+',
  'bottom-right': '+',
  left: '|',
  'left-mid': '+',
  mid: '-',
  'mid-mid': '+',
  right: '|',
  'right-mid': '+',
  middle: '|',
} as const;

/** A table of plain characters, the same on a terminal and in a pipe; scripts cut it apart at its bars. */
export function asciiTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ chars: CHARS, style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 } });
  for (const row of [header, ...rows]) table.push(row.map((cell) => printable(cell).replaceAll('\n', '\\n')));
  return `${table.toString()}\n`;
}
