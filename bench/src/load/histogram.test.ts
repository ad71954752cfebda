import { test } from 'tap';
import { Histogram } from './histogram.ts';

test('a histogram tells percentiles to within a hundredth, of microseconds and of minutes', async (t) => {
  const histogram = new Histogram();
  for (let value = 1; value <= 100_000; value++) histogram.record(value);
  for (const [share, exact] of [[0.5, 50_000] as const, [0.99, 99_000] as const, [0.001, 100] as const]) {
    const told = histogram.percentile(share);
    t.ok(told >= exact && told <= exact * 1.01, `${share}: ${told}`);
  }
  t.equal(histogram.percentile(1), 100_000);
  histogram.record(60_000_000);
  t.equal(histogram.max, 60_000_000);
  t.equal(histogram.percentile(1), 60_000_000);
});

test('what crossed a process is the same histogram, and two can be added', async (t) => {
  const [one, two] = [new Histogram(), new Histogram()];
  one.record(10);
  two.record(1_000_000);
  const copy = new Histogram(structuredClone(one.toCounts()));
  copy.add(two);
  t.equal(copy.count, 2);
  t.equal(copy.percentile(0.5), 10);
  t.equal(copy.max, 1_000_000);
  t.ok(Number.isNaN(new Histogram().percentile(0.5)));
});
