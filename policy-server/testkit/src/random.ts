/** A whole number from 0 up to, not including, `below` (at most 2^32). */
export type Random = (below: number) => number;

/** A seeded generator (mulberry32): fuzz runs must fail the same way twice. */
export function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A copy with one to three bytes or stretches changed, cut, moved or replaced by one of `pieces`. */
export function damage(bytes: Uint8Array, random: Random, pieces: readonly Uint8Array[]): Uint8Array {
  const copy = [...bytes];
  for (let count = 1 + random(3); count > 0 && copy.length > 0; count--) {
    const at = random(copy.length);
    const kind = random(4);
    if (kind === 0) copy[at] = random(256);
    else if (kind === 1) copy.splice(at, 1 + random(4));
    else if (kind === 2) copy.splice(at, 0, ...(pieces[random(pieces.length)] ?? []));
    else copy.copyWithin(at, random(copy.length), random(copy.length));
  }
  return Uint8Array.from(copy);
}
