const TIME_UNITS: readonly [unit: string, ns: number][] = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
];

/** `15.87µs` */
export function formatTime(ns: number): string {
  const { unit, size } = timeUnit(ns);
  return `${(ns / size).toFixed(2)}${unit}`;
}

/** A variance in the square of the unit its root is shown in: `28.81µs²`. */
export function formatVariance(ns2: number): string {
  const { unit, size } = timeUnit(Math.sqrt(ns2));
  return `${(ns2 / size ** 2).toFixed(2)}${unit}²`;
}

function timeUnit(ns: number): { unit: string; size: number } {
  const [unit, size] = TIME_UNITS.find(([, each]) => ns >= each) ?? ['ns', 1];
  return { unit, size };
}

const NUMBER_WORDS: readonly [word: string, size: number][] = [
  ['billion', 1e9],
  ['million', 1e6],
  ['thousand', 1e3],
];

/** `65.7 thousand`, `100.0` */
export function formatCount(count: number): string {
  const [word, size] = NUMBER_WORDS.find(([, each]) => count >= each) ?? ['', 1];
  return `${(count / size).toFixed(1)} ${word}`.trimEnd();
}
