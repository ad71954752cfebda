const THRESHOLD = 0.7;

/** Candidates that look like `text`, the best one last. */
export function similarTo(text: string, candidates: Iterable<string>): string[] {
  const scored: { score: number; candidate: string }[] = [];
  for (const candidate of candidates) {
    const score = jaro(text, candidate);
    if (score > THRESHOLD) scored.push({ score, candidate });
  }
  return scored.sort((a, b) => a.score - b.score).map(({ candidate }) => candidate);
}

/** Only what could be a typing error is compared: the time grows with the product of the lengths. */
const MAX_LENGTH = 128;

/** Jaro similarity: 0 = nothing in common, 1 = equal. */
export function jaro(left: string, right: string): number {
  const a = Array.from(left);
  const b = Array.from(right);
  if (a.length === 0 && b.length === 0) return 1;
  if (a.length === 0 || b.length === 0 || a.length > MAX_LENGTH || b.length > MAX_LENGTH) return 0;
  const { matchesOfA, matchesOfB } = matches(a, b);
  const count = matchesOfA.length;
  if (count === 0) return 0;
  const transpositions = matchesOfA.filter((char, index) => char !== matchesOfB[index]).length / 2;
  return (count / a.length + count / b.length + (count - transpositions) / count) / 3;
}

function matches(a: string[], b: string[]): { matchesOfA: string[]; matchesOfB: string[] } {
  const range = Math.max(0, Math.floor(Math.max(a.length, b.length) / 2) - 1);
  const taken = new Set<number>();
  const matchesOfA: string[] = [];
  for (const [index, char] of a.entries()) {
    const end = Math.min(b.length, index + range + 1);
    for (let at = Math.max(0, index - range); at < end; at++) {
      if (b[at] === char && !taken.has(at)) {
        taken.add(at);
        matchesOfA.push(char);
        break;
      }
    }
  }
  return { matchesOfA, matchesOfB: b.filter((_, index) => taken.has(index)) };
}
