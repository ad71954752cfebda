import { median, ratiosOf } from '../statistics.ts';

/** A figure that must not get worse; `better` says which way is up. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
}

export interface Judged {
  readonly measure: Measure;
  readonly base: readonly number[];
  readonly tree: readonly number[];
  /** Median over rounds of how much worse the working tree was in the same round; 0.1 = 10 % worse. */
  readonly worse: number;
}

export function judge(measure: Measure, base: readonly number[], tree: readonly number[]): Judged {
  const ratios = measure.better === 'lower' ? ratiosOf(tree, base) : ratiosOf(base, tree);
  return { measure, base, tree, worse: median(ratios) - 1 };
}
