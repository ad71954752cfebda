import { test } from 'tap';
import { interleave } from './interleave.ts';

test('every contender runs once per round, and each round begins with another', async (t) => {
  const order: string[] = [];
  const contender = (name: string) => ({
    name,
    run: async (round: number) => {
      order.push(`${name}${round}`);
      return round * 10;
    },
  });
  const heard: number[] = [];
  const samples = await interleave([contender('a'), contender('b'), contender('c')], {
    rounds: 2,
    onRound: (round) => heard.push(round),
  });
  t.same(order, ['a-1', 'b-1', 'c-1', 'b0', 'c0', 'a0', 'c1', 'a1', 'b1']);
  t.same(
    [...samples],
    [
      ['a', [0, 10]],
      ['b', [0, 10]],
      ['c', [0, 10]],
    ],
    'the warm-up does not count',
  );
  t.same(heard, [0, 1]);
});

test('two contenders of one name are refused: one would hide the other', async (t) => {
  const same = { name: 'a', run: async () => 1 };
  await t.rejects(interleave([same, same], { rounds: 1 }), RangeError);
});
