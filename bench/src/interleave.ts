/** Something that is measured beside others. */
export interface Contender<Sample> {
  readonly name: string;
  /** One round. Nothing else of this bench runs meanwhile. */
  run(round: number): Promise<Sample>;
}

export interface InterleaveOptions {
  readonly rounds: number;
  /** Rounds before the first that counts: caches, branch predictors and tiers of compilers settle. @default 1 */
  readonly warmUpRounds?: number;
  /** Called after every round that counts. */
  readonly onRound?: (round: number) => void;
}

/**
 * Runs all contenders once per round, so that whatever else goes on on the machine meets all of them alike, and starts every round
 * with another contender, so that none always runs in the wake of the same one.
 *
 * @returns the samples of each contender by name, one per round
 */
export async function interleave<Sample>(
  contenders: readonly Contender<Sample>[],
  { rounds, warmUpRounds = 1, onRound = () => {} }: InterleaveOptions,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  if (samples.size !== contenders.length) throw new RangeError('two contenders have one name');
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const contender of rotated(contenders, round + warmUpRounds)) {
      const sample = await contender.run(round);
      if (round >= 0) samples.get(contender.name)?.push(sample);
    }
    if (round >= 0) onRound(round);
  }
  return samples;
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
