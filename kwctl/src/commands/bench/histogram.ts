import { formatTime } from './units.ts';

const ROWS = 8;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/**
 * Draws how samples are spread, one line a range of times, the last one for whatever is further out: a few slow samples must
 * not squeeze all others into one line.
 *
 * @param columns - of the terminal
 */
export function histogram(samplesNs: readonly number[], columns: number): string[] {
  const sorted = samplesNs.toSorted((a, b) => a - b);
  const low = sorted[0] ?? 0;
  const high = Math.min(sorted.at(-1) ?? 0, upperFence(sorted));
  const width = (high - low) / ROWS;
  if (!(width > 0)) return [];
  const counts = Array.from({ length: ROWS }, () => 0);
  let beyond = 0;
  for (const ns of sorted) {
    const row = Math.min(ROWS - 1, Math.floor((ns - low) / width));
    if (ns > high) beyond++;
    else counts[row] = (counts[row] ?? 0) + 1;
  }
  const rows = counts.map((count, row) => ({ label: formatTime(low + row * width), count }));
  if (beyond > 0) rows.push({ label: `> ${formatTime(high)}`, count: beyond });
  return draw(rows, columns);
}

/** Beyond it samples are outliers (Tukey). */
function upperFence(sorted: readonly number[]): number {
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return at(0.75) + 1.5 * (at(0.75) - at(0.25));
}

function draw(rows: readonly { readonly label: string; readonly count: number }[], columns: number): string[] {
  const labelWidth = Math.max(...rows.map(({ label }) => label.length));
  const most = Math.max(...rows.map(({ count }) => count));
  const digits = String(most).length;
  const barWidth = Math.max(8, Math.min(50, columns - labelWidth - digits - 12));
  return rows.map(({ label, count }) => {
    const eighths = Math.round((count / most) * barWidth * 8);
    const bar = '█'.repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? '');
    return `\t${label.padStart(labelWidth)} ${String(count).padStart(digits)} ${bar}`.trimEnd();
  });
}
