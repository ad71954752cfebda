import { printable } from '../../output/log.ts';
import { widest } from './markdown.ts';

/** What it is called, and what it is. */
export type Row = readonly [key: string, value: string];

/** Rows of two columns: keys as wide as the widest, a space, the value, a space. Values may have several lines. */
export function rowTable(rows: readonly Row[]): string {
  const width = widest(rows.map(([key]) => key));
  return rows.flatMap((row) => rowLines(row, width)).join('');
}

function rowLines([key, value]: Row, width: number): string[] {
  return printable(value)
    .split('\n')
    .map((line, index) => `${(index === 0 ? printable(key) : '').padEnd(width)} ${line} \n`);
}
