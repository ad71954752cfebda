/** What an evaluation may take of a thread while others wait; most take a hundredth of it. */
export const SLICE_MS = 20;

/** A tenth of a slice; most evaluations take a tenth of it. */
const QUICK_MS = 2;

/** The first runs of a policy make its code ready as they go, on each thread; they say nothing. */
const RUNS_TO_KNOW = 3;

/** Until there were this many, the shortest one counts as usual. */
const FIRST_RUNS = 8;

/** Follows within some twenty evaluations. */
const WEIGHT = 1 / 16;

/** After its first conviction a policy must behave this many times, after each further one twice as many as before. */
const GOOD_RUNS_TO_CLEAR = 10;
const MAX_DOUBLINGS = 6;

/** This many times the good runs that cleared a policy, and its convictions are forgotten. */
const RUNS_TO_FORGET = 10;

interface PolicyRecord {
  usualMs: number | undefined;
  runs: number;
  /** The last evaluation did not come to an end by itself. */
  isOutlasting: boolean;
  /** How often it occupied a thread until its deadline, or took the thread down. */
  convictions: number;
  /** Since the last conviction. */
  goodRuns: number;
}

/**
 * How the policies have behaved so far. A policy that was caught occupying a thread until its deadline is a suspect until it has
 * behaved for a while: whoever can make a policy loop (a crafted object is enough) delays that policy, nobody else.
 *
 * One record per policy that was ever run: they come from the operator's configuration, so there is no end to them only if the
 * configuration has none.
 */
export class Reputation {
  readonly #records = new Map<string, PolicyRecord>();

  /** How long an evaluation of this policy usually occupies its thread; `undefined` = not known yet. */
  usualMs(policyId: string): number | undefined {
    const record = this.#records.get(policyId);
    return record === undefined || record.runs < RUNS_TO_KNOW ? undefined : record.usualMs;
  }

  /** Whether it usually takes more than a slice, by enough runs to tell it from a machine that is busy for a moment. */
  isSlow(policyId: string): boolean {
    const record = this.#records.get(policyId);
    if (record?.usualMs === undefined || record.usualMs <= SLICE_MS) return false;
    return record.runs >= FIRST_RUNS || record.isOutlasting;
  }

  /** Whether it usually takes so little that somebody else hardly notices to wait for it. */
  isQuick(policyId: string): boolean {
    return (this.usualMs(policyId) ?? Infinity) <= QUICK_MS && !this.isSuspect(policyId);
  }

  isSuspect(policyId: string): boolean {
    const record = this.#records.get(policyId);
    return record !== undefined && record.convictions > 0 && record.goodRuns < runsToClear(record);
  }

  /** An evaluation came to its end by itself; `true` = its policy is a suspect no more. */
  behaved(policyId: string, elapsedMs: number): boolean {
    const record = this.#record(policyId);
    const { usualMs } = record;
    if (usualMs === undefined) record.usualMs = elapsedMs;
    else if (record.runs < FIRST_RUNS) record.usualMs = Math.min(usualMs, elapsedMs);
    else record.usualMs = usualMs + (elapsedMs - usualMs) * WEIGHT;
    record.runs++;
    record.isOutlasting = false;
    if (record.convictions === 0) return false;
    const toClear = runsToClear(record);
    record.goodRuns++;
    if (record.goodRuns >= toClear * RUNS_TO_FORGET) record.convictions = 0;
    return record.goodRuns === toClear;
  }

  /** An evaluation was stopped after this long, for other reasons than its deadline. */
  outlasted(policyId: string, elapsedMs: number): void {
    const record = this.#record(policyId);
    // One that loops says little about the others: bounded, so that they mend the picture soon.
    record.usualMs = Math.max(this.usualMs(policyId) ?? 0, Math.min(elapsedMs, 2 * SLICE_MS));
    record.runs = Math.max(record.runs, RUNS_TO_KNOW);
    record.isOutlasting = true;
  }

  /** An evaluation occupied its thread until its deadline, or took it down; `true` = its policy was no suspect before. */
  caught(policyId: string): boolean {
    const wasSuspect = this.isSuspect(policyId);
    const record = this.#record(policyId);
    record.convictions++;
    record.goodRuns = 0;
    return !wasSuspect;
  }

  #record(policyId: string): PolicyRecord {
    const known = this.#records.get(policyId);
    if (known !== undefined) return known;
    const record: PolicyRecord = { usualMs: undefined, runs: 0, isOutlasting: false, convictions: 0, goodRuns: 0 };
    this.#records.set(policyId, record);
    return record;
  }
}

function runsToClear({ convictions }: PolicyRecord): number {
  return GOOD_RUNS_TO_CLEAR * 2 ** Math.min(convictions - 1, MAX_DOUBLINGS);
}
