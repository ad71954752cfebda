import { damage, randomFrom } from '@portcullis/testkit';
import type { Test } from 'tap';

/** Damaged texts must be read or refused, quickly, and never in another way. */
export function readDamaged(t: Test, seeds: readonly string[], read: (text: string) => void): void {
  const random = randomFrom(20_260_101);
  const pieces = [
    '"',
    '\\',
    ',',
    '=',
    ' ',
    '<',
    '>',
    ';',
    '{',
    '}',
    '[',
    ']',
    '0',
    '-',
    ':',
    '\u0000',
    'é',
    'Bearer realm="',
  ].map((piece) => Buffer.from(piece));
  const until = performance.now() + 700;
  let runs = 0;
  let slowestMs = 0;
  while (performance.now() < until) {
    let text = seeds[random(seeds.length)] ?? '';
    for (let rounds = 1 + random(4); rounds > 0; rounds--) {
      text = Buffer.from(damage(Buffer.from(text), random, pieces)).toString();
    }
    const since = performance.now();
    read(text);
    slowestMs = Math.max(slowestMs, performance.now() - since);
    runs += 1;
  }
  t.ok(runs > 100 && slowestMs < 300, `${runs} runs, the slowest ${slowestMs.toFixed(1)} ms`);
}
