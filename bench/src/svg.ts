/** Told apart by colour-blind readers as well (Okabe & Ito). */
const COLOURS = ['#0072b2', '#56b4e9', '#d55e00', '#e69f00', '#cc79a7', '#009e73', '#f0c800', '#777777'];
const MARK = '#b00020';

/** Where a value lies between the two ends of an axis, 0 to 1, and the values worth naming. */
export interface Scale {
  readonly ticks: readonly number[];
  partOf(value: number): number;
}

export function linearScale(values: readonly number[]): Scale {
  const most = Math.max(1e-9, ...values) * 1.05;
  const step = niceStep(most / 5);
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  return { ticks, partOf: (value) => Math.max(0, value) / most };
}

/** From the power of ten below the least positive value to the one above the greatest. */
export function logScale(values: readonly number[]): Scale {
  const positive = values.filter((value) => value > 0);
  const first = Math.floor(Math.log10(Math.min(...positive, 1e9)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive, 1e-9))));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  return { ticks, partOf: (value) => (Math.log10(Math.max(value, 10 ** first)) - first) / (last - first) };
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

interface Segment {
  readonly from: readonly [x: number, y: number];
  readonly to: readonly [x: number, y: number];
}

export function gridLine(segment: Segment): string {
  return `<line ${ends(segment)} stroke="#ddd"/>`;
}

export function whisker(segment: Segment): string {
  return `<line ${ends(segment)} stroke="#222" stroke-width="1.5"/>`;
}

export function markLine(segment: Segment): string {
  return `<line ${ends(segment)} stroke="${MARK}" stroke-dasharray="5 3"/>`;
}

function ends({ from, to }: Segment): string {
  return `x1="${tenth(from[0])}" y1="${tenth(from[1])}" x2="${tenth(to[0])}" y2="${tenth(to[1])}"`;
}

export function box(
  corner: readonly [x: number, y: number],
  size: readonly [width: number, height: number],
  at: number,
): string {
  return `<rect x="${tenth(corner[0])}" y="${tenth(corner[1])}" width="${tenth(size[0])}" height="${tenth(size[1])}" fill="${colour(at)}"/>`;
}

export function polyline(points: readonly (readonly [x: number, y: number])[], at: number): string {
  const list = points.map(([x, y]) => `${tenth(x)},${tenth(y)}`).join(' ');
  return `<polyline fill="none" stroke="${colour(at)}" stroke-width="2" points="${list}"/>`;
}

export function label(
  content: string,
  at: readonly [x: number, y: number],
  anchor: 'start' | 'middle' | 'end' = 'start',
): string {
  return `<text x="${tenth(at[0])}" y="${tenth(at[1])}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

export function heading(content: string, at: readonly [x: number, y: number]): string {
  return `<text x="${tenth(at[0])}" y="${tenth(at[1])}" font-weight="bold">${escaped(content)}</text>`;
}

export function picture(
  title: string,
  size: readonly [width: number, height: number],
  parts: readonly string[],
): string {
  const [width, height] = size;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" font-family="sans-serif" font-size="11" fill="#333" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="8" y="18" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** Three significant digits, without an exponent. */
export function short(value: number): string {
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function colour(at: number): string {
  return COLOURS[at % COLOURS.length] ?? '#000';
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
