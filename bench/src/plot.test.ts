import { test } from 'tap';
import { barChart, lineChart } from './plot.ts';

const BAR = { median: 2, low: 1, high: 3 };

/** Widths of the bars in the order they are drawn. */
function widths(svg: string): number[] {
  return [...svg.matchAll(/<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
}

test('a bar chart shows every bar that was measured, its spread, and no markup of its labels', async (t) => {
  const svg = barChart({
    title: 'a < b & "c"',
    axis: 'µs',
    contenders: ['ours', 'theirs'],
    groups: [
      { label: 'small', bars: [BAR, { median: 200, low: 90, high: 900 }] },
      { label: 'large', bars: [undefined, BAR] },
    ],
    mark: { value: 0.5, label: 'target' },
    scale: 'log',
  });
  t.equal(widths(svg).length, 3);
  t.match(svg, '200 (90–900)');
  t.match(svg, 'a &lt; b &amp; &quot;c&quot;');
  t.match(svg, '>target</text>');
  t.notMatch(svg, /NaN|Infinity/);
});

test('a greater value has a longer bar', async (t) => {
  const bars = [1, 5, 10].map((median) => ({ median, low: median, high: median }));
  for (const scale of ['linear', 'log', 'per-group'] as const) {
    const svg = barChart({ title: '', axis: '', contenders: ['a', 'b', 'c'], groups: [{ label: 'g', bars }], scale });
    const [low = 0, middle = 0, high = 0] = widths(svg);
    t.ok(low < middle && middle < high, scale);
  }
});

test('groups with axes of their own are each as wide as the others', async (t) => {
  const group = (factor: number) => ({ label: '', bars: [{ median: factor, low: factor, high: factor }] });
  const groups = [group(1), group(1000)];
  const [small, large] = widths(barChart({ title: '', axis: '', contenders: ['a'], groups, scale: 'per-group' }));
  t.equal(small, large);
  const [tiny = 0, huge = 0] = widths(barChart({ title: '', axis: '', contenders: ['a'], groups }));
  t.ok(tiny < huge);
});

test('a line chart draws each series from its first to its last point', async (t) => {
  const svg = lineChart({
    title: 'memory',
    xAxis: 'minutes',
    yAxis: 'MB',
    series: [
      {
        label: 'ours',
        points: [
          [0, 100],
          [10, 100],
        ],
      },
      {
        label: 'theirs',
        points: [
          [0, 50],
          [10, 200],
        ],
      },
    ],
  });
  const lines = [...svg.matchAll(/points="([^"]+)"/g)].map(([, points]) =>
    points?.split(' ').map((point) => point.split(',').map(Number)),
  );
  t.equal(lines.length, 2);
  t.equal(lines[0]?.[0]?.[1], lines[0]?.[1]?.[1], 'flat');
  t.ok((lines[1]?.[0]?.[1] ?? 0) > (lines[1]?.[1]?.[1] ?? 0), 'rising');
  t.equal(lines[1]?.[1]?.[0], lines[0]?.[1]?.[0]);
  t.notMatch(lineChart({ title: '', xAxis: '', yAxis: '', series: [] }), /NaN|Infinity/);
});
