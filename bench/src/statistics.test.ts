import { test } from 'tap';
import { median, spread } from './statistics.ts';

test('median', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.throws(() => median([]), RangeError);
});

test('spread shows the median between its extremes', async (t) => {
  t.equal(spread([3, 1, 2]), '2.0 (1.0–3.0)');
});
