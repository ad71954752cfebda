import { test } from 'tap';
import { mean, median, percentile, ratiosOf, slope, spread, spreadOf, summarise } from './statistics.ts';

test('median', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.throws(() => median([]), RangeError);
});

test('percentile is a value that was seen', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  t.equal(percentile(hundred, 50), 50);
  t.equal(percentile(hundred, 99), 99);
  t.equal(percentile(hundred, 100), 100);
  t.equal(percentile(hundred, 0), 1);
  t.equal(percentile([7], 99), 7);
  t.equal(percentile([1, 2], 99), 2);
  t.throws(() => percentile([], 50), RangeError);
});

test('a round is summarised without ordering or losing its values', async (t) => {
  const values = [5, 1, 9, 1];
  t.same(summarise(values), { count: 4, p50: 3, mean: 4, p99: 9, max: 9 });
  t.same(values, [5, 1, 9, 1]);
  t.equal(mean([1, 2, 6]), 3);
  t.throws(() => mean([]), RangeError);
});

test('spread shows the median between its extremes', async (t) => {
  t.equal(spread([3, 1, 2]), '2.0 (1.0–3.0)');
  t.same(spreadOf([3, 1, 2]), { median: 2, low: 1, high: 3 });
});

test('ratios pair the rounds', async (t) => {
  t.same(ratiosOf([1, 4], [2, 1]), [0.5, 4]);
  t.throws(() => ratiosOf([1], [1, 2]), RangeError);
});

test('slope is the growth per unit', async (t) => {
  t.equal(
    slope([
      [0, 10],
      [1, 12],
      [2, 14],
    ]),
    2,
  );
  t.equal(
    slope([
      [0, 3],
      [5, 3],
      [9, 3],
    ]),
    0,
  );
  t.throws(() => slope([[0, 1]]), RangeError);
});
