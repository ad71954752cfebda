/** One measurement a person can ask for by name. */
export interface Bench {
  /** For the list of benches: what is measured, against what. */
  readonly summary: string;
  /** Its flags, one a line, for the usage text. */
  readonly flags?: readonly string[];
  run(context: BenchContext): Promise<void>;
}

export interface BenchContext {
  /** What follows the name of the bench on the command line. */
  readonly args: readonly string[];
  /** Where JSON and SVG go; `undefined` = nothing is kept. */
  readonly resultsDir: string | undefined;
  /** The command as it was typed, for the result file. */
  readonly command: string;
  readonly print: (line: string) => void;
}

/** A mistake in the command line or something this machine lacks: said in one line, without a stack trace. */
export class BenchError extends Error {}
