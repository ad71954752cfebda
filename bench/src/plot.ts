import type { Spread } from './statistics.ts';

/** Bars in groups: each group compares the same contenders under one heading. */
export interface BarChart {
  readonly title: string;
  /** What the axis counts, with its unit. */
  readonly axis: string;
  readonly groups: readonly {
    readonly label: string;
    /** In the order of `contenders`; `undefined` = not measured. */
    readonly bars: readonly (Spread | undefined)[];
  }[];
  readonly contenders: readonly string[];
  /** A line across, such as a target. */
  readonly mark?: { readonly value: number; readonly label: string };
  /** A logarithmic axis, for values that lie orders of magnitude apart. @default 'linear' */
  readonly scale?: 'linear' | 'log';
}

/** Lines over a common x, such as memory over time. */
export interface LineChart {
  readonly title: string;
  readonly xAxis: string;
  readonly yAxis: string;
  readonly series: readonly { readonly label: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
  readonly mark?: { readonly value: number; readonly label: string };
}

const WIDTH = 860;
const HEIGHT = 400;
const LEFT = 64;
const RIGHT = 16;
const TOP = 64;
const BOTTOM = 52;
/** Told apart by colour-blind readers as well (Okabe & Ito). */
const COLOURS = ['#0072b2', '#56b4e9', '#d55e00', '#e69f00', '#cc79a7', '#009e73', '#999999'];

/** Position of a value on the vertical axis. */
type Place = (value: number) => number;

export function barChart(chart: BarChart): string {
  const { groups, contenders, scale = 'linear' } = chart;
  const values = groups.flatMap(({ bars }) => bars.flatMap((bar) => (bar === undefined ? [] : [bar.low, bar.high])));
  if (chart.mark !== undefined) values.push(chart.mark.value);
  const { ticks, place } = scale === 'log' ? logAxis(values) : linearAxis(values);
  const groupWidth = (WIDTH - LEFT - RIGHT) / Math.max(1, groups.length);
  const barWidth = Math.min(40, (groupWidth * 0.8) / Math.max(1, contenders.length));
  const parts = groups.flatMap(({ label, bars }, index) => {
    const middle = LEFT + groupWidth * (index + 0.5);
    const start = middle - (barWidth * contenders.length) / 2;
    return [
      text(middle, HEIGHT - BOTTOM + 18, label, 'middle'),
      ...bars.flatMap((bar, at) =>
        bar === undefined ? [] : barOf(bar, { x: start + at * barWidth, width: barWidth, at }, place),
      ),
    ];
  });
  return document(chart.title, [
    axis(ticks, place, chart.axis),
    ...parts,
    markLine(chart.mark, place),
    legend(contenders),
  ]);
}

export function lineChart({ title, xAxis, yAxis, series, mark }: LineChart): string {
  const points = series.flatMap((one) => one.points);
  const { ticks, place } = linearAxis([...points.map(([, y]) => y), ...(mark === undefined ? [] : [mark.value])]);
  const lastX = Math.max(1e-9, ...points.map(([x]) => x));
  const across = (x: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * x) / lastX;
  const lines = series.map(
    (one, at) =>
      `<polyline fill="none" stroke="${colour(at)}" stroke-width="2" points="${one.points.map(([x, y]) => `${round(across(x))},${round(place(y))}`).join(' ')}"/>`,
  );
  const below = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    text(across(part * lastX), HEIGHT - BOTTOM + 18, short(part * lastX), 'middle'),
  );
  const name = text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, xAxis, 'middle');
  const names = series.map(({ label }) => label);
  return document(title, [axis(ticks, place, yAxis), ...below, name, ...lines, markLine(mark, place), legend(names)]);
}

function barOf(
  { median, low, high }: Spread,
  { x, width, at }: { x: number; width: number; at: number },
  place: Place,
): string[] {
  const top = place(median);
  const middle = x + width / 2;
  return [
    `<rect x="${round(x + 1)}" y="${round(top)}" width="${round(width - 2)}" height="${round(HEIGHT - BOTTOM - top)}" fill="${colour(at)}"/>`,
    `<line x1="${round(middle)}" x2="${round(middle)}" y1="${round(place(low))}" y2="${round(place(high))}" stroke="#333" stroke-width="1.5"/>`,
    text(middle, Math.min(top, place(high)) - 4, short(median), 'middle'),
  ];
}

function linearAxis(values: readonly number[]): { ticks: number[]; place: Place } {
  const most = Math.max(1e-9, ...values) * 1.1;
  const step = niceStep(most / 5);
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  return { ticks, place: (value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * Math.max(0, value)) / most };
}

function logAxis(values: readonly number[]): { ticks: number[]; place: Place } {
  const positive = values.filter((value) => value > 0);
  const first = Math.floor(Math.log10(Math.min(...positive, 1e9)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive, 1e-9) * 1.1)));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
  const place: Place = (value) => {
    const part = (Math.log10(Math.max(value, 10 ** first)) - first) / (last - first);
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part;
  };
  return { ticks, place };
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

function axis(ticks: readonly number[], place: Place, label: string): string {
  const lines = ticks.map((tick) => {
    const y = round(place(tick));
    return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}" stroke="#ddd"/>${text(LEFT - 6, y + 4, short(tick), 'end')}`;
  });
  return `${lines.join('')}${text(8, TOP - 12, label, 'start')}`;
}

function markLine(mark: BarChart['mark'], place: Place): string {
  if (mark === undefined) return '';
  const y = round(place(mark.value));
  return `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}" stroke="#b00020" stroke-dasharray="6 4"/>${text(WIDTH - RIGHT, y - 4, mark.label, 'end')}`;
}

function legend(names: readonly string[]): string {
  const width = (WIDTH - LEFT - RIGHT) / Math.max(1, names.length);
  const entries = names.map((name, at) => {
    const x = LEFT + at * width;
    return `<rect x="${round(x)}" y="30" width="10" height="10" fill="${colour(at)}"/>${text(x + 14, 39, name, 'start')}`;
  });
  return entries.join('');
}

function document(title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="8" y="18" font-size="14" font-weight="bold" fill="#222">${escaped(title)}</text>`,
    ...parts.filter((part) => part !== ''),
    '</svg>\n',
  ].join('\n');
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${round(x)}" y="${round(y)}" font-size="11" text-anchor="${anchor}" fill="#333">${escaped(content)}</text>`;
}

function colour(at: number): string {
  return COLOURS[at % COLOURS.length] ?? '#000';
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Three significant digits, without an exponent. */
function short(value: number): string {
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
