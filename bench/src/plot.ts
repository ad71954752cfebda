import type { Spread } from './statistics.ts';
import {
  box,
  gridLine,
  heading,
  label,
  linearScale,
  logScale,
  markLine,
  picture,
  polyline,
  type Scale,
  short,
  whisker,
} from './svg.ts';

interface Mark {
  readonly value: number;
  readonly label: string;
}

/** Bars in groups, one below the other: each group compares the same contenders under one heading. */
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
  readonly mark?: Mark;
  /**
   * `linear` and `log` are shared by all groups. `per-group`: each group has a linear axis of its own, for groups that lie orders of
   * magnitude apart and are not to be compared with each other. @default 'linear'
   */
  readonly scale?: 'linear' | 'log' | 'per-group';
}

/** Lines over a common x, such as memory over time. */
export interface LineChart {
  readonly title: string;
  readonly xAxis: string;
  readonly yAxis: string;
  readonly series: readonly { readonly label: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
  readonly mark?: Mark;
}

const WIDTH = 860;
const ROW = 18;
const BARS_TOP = 66;
/** Left of the bars stand names, to the right of them figures. */
const [BARS_LEFT, BARS_RIGHT] = [220, WIDTH - 150];

const LINES = { left: 56, right: WIDTH - 16, top: 64, bottom: 340, height: 392 };

export function barChart(chart: BarChart): string {
  const { groups, contenders, mark, scale: kind = 'linear' } = chart;
  const all = [...groups.flatMap(valuesOf), ...(mark === undefined ? [] : [mark.value])];
  const shared = kind === 'log' ? logScale(all) : linearScale(all);
  const parts: string[] = [];
  let top = BARS_TOP;
  for (const group of groups) {
    const scale = kind === 'per-group' ? linearScale(valuesOf(group)) : shared;
    if (group.label !== '') parts.push(heading(group.label, [8, top + 13]));
    if (group.label !== '') top += ROW;
    group.bars.forEach((bar, at) => {
      if (bar === undefined) return;
      parts.push(label(contenders[at] ?? '', [BARS_LEFT - 8, top + 13], 'end'), ...barOf(bar, { top, at }, scale));
      top += ROW;
    });
    top += ROW / 2;
  }
  const frame = [label(chart.axis, [8, 38]), ...(kind === 'per-group' ? [] : barAxis(shared, top)), ...parts];
  return picture(chart.title, [WIDTH, top + ROW], [...frame, ...barMark(mark, shared, top)]);
}

function valuesOf({ bars }: BarChart['groups'][number]): number[] {
  return bars.flatMap((bar) => (bar === undefined ? [] : [bar.low, bar.median, bar.high]));
}

function across(scale: Scale, value: number): number {
  return BARS_LEFT + (BARS_RIGHT - BARS_LEFT) * scale.partOf(value);
}

function barOf({ median, low, high }: Spread, place: { top: number; at: number }, scale: Scale): string[] {
  const middle = place.top + ROW / 2;
  const end = across(scale, high);
  return [
    box([BARS_LEFT, place.top + 2], [across(scale, median) - BARS_LEFT, ROW - 4], place.at),
    whisker({ from: [across(scale, low), middle], to: [end, middle] }),
    label(`${short(median)} (${short(low)}–${short(high)})`, [end + 6, place.top + 13]),
  ];
}

function barAxis(scale: Scale, bottom: number): string[] {
  return scale.ticks.flatMap((tick) => {
    const x = across(scale, tick);
    return [gridLine({ from: [x, BARS_TOP - 6], to: [x, bottom] }), label(short(tick), [x, BARS_TOP - 10], 'middle')];
  });
}

function barMark(mark: Mark | undefined, scale: Scale, bottom: number): string[] {
  if (mark === undefined) return [];
  const x = across(scale, mark.value);
  return [markLine({ from: [x, BARS_TOP - 6], to: [x, bottom] }), label(mark.label, [x + 4, bottom + 8])];
}

export function lineChart({ title, xAxis, yAxis, series, mark }: LineChart): string {
  const points = series.flatMap((one) => one.points);
  const vertical = linearScale([...points.map(([, y]) => y), ...(mark === undefined ? [] : [mark.value])]);
  const horizontal = linearScale(points.map(([x]) => x));
  const { left, right, top, bottom, height } = LINES;
  const xOf = (x: number): number => left + (right - left) * horizontal.partOf(x);
  const yOf = (y: number): number => bottom - (bottom - top) * vertical.partOf(y);
  const level = (y: number) => ({ from: [left, yOf(y)], to: [right, yOf(y)] }) as const;
  return picture(
    title,
    [WIDTH, height],
    [
      label(yAxis, [8, top - 12]),
      label(xAxis, [(left + right) / 2, bottom + 40], 'middle'),
      ...vertical.ticks.flatMap((tick) => [
        gridLine(level(tick)),
        label(short(tick), [left - 6, yOf(tick) + 4], 'end'),
      ]),
      ...horizontal.ticks.map((tick) => label(short(tick), [xOf(tick), bottom + 18], 'middle')),
      ...series.map((one, at) =>
        polyline(
          one.points.map(([x, y]) => [xOf(x), yOf(y)] as const),
          at,
        ),
      ),
      ...(mark === undefined
        ? []
        : [markLine(level(mark.value)), label(mark.label, [right, yOf(mark.value) - 4], 'end')]),
      ...legend(series.map((one) => one.label)),
    ],
  );
}

function legend(names: readonly string[]): string[] {
  const width = (LINES.right - LINES.left) / Math.max(1, names.length);
  return names.flatMap((name, at) => {
    const x = LINES.left + at * width;
    return [box([x, 29], [10, 10], at), label(name, [x + 14, 38])];
  });
}
