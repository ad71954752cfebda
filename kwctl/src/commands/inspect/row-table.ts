import { printable } from '../../output/log.ts';
import { widest } from './markdown.ts';

/** What it is called, and what it is; a title stands alone. */
export type Row = readonly [key: string, value: string] | readonly [title: string];

/** Marks a title, whose width it does not change. */
export type Emphasis = (title: string) => string;

/** Rows of two columns: keys as wide as the widest, a space, the value, a space. Values may have several lines. */
export function rowTable(rows: readonly Row[], emphasize: Emphasis): string {
  const width = widest(rows.map(([key]) => key));
  return rows.flatMap((row) => rowLines(row, width, emphasize)).join('');
}

function rowLines([key, value]: Row, width: number, emphasize: Emphasis): string[] {
  if (value === undefined) return [`${emphasize(key)}${' '.repeat(width - key.length + 2)}\n`];
  return printable(value)
    .split('\n')
    .map((line, index) => `${(index === 0 ? printable(key) : '').padEnd(width)} ${line} \n`);
}
