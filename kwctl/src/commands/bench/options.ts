import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import { KwctlError } from '../../errors.ts';
import { DEFAULT_MEASUREMENT_SECONDS, DEFAULT_RESAMPLES, DEFAULT_SAMPLES, DEFAULT_WARM_UP_SECONDS } from './command.ts';

/** The command line of `bench`, without what it shares with `run`. */
export interface BenchOptions {
  readonly warmUpMs: number;
  readonly measurementMs: number;
  readonly samples: number;
  readonly resamples: number;
  readonly isDumped: boolean;
  readonly isJson: boolean;
}

const MAX_SECONDS = 86_400;
/** All samples are kept, and every resample is as long. */
const MAX_SAMPLES = 100_000;
const MAX_RESAMPLES = 1_000_000;
/** Some ten seconds of drawing. */
const MAX_DRAWS = 1_000_000_000;
/** A variance needs two. */
const MIN_SAMPLES = 2;

/** @throws KwctlError `bench-invalid` */
export function benchOptions(given: CommandArguments): BenchOptions {
  const seconds = (id: string, fallback: number): number =>
    1000 * within(id, wholeNumber(given, { id, unit: 'seconds', fallback }), { min: 0, max: MAX_SECONDS });
  const number = (id: string, fallback: number, range: Range): number =>
    within(id, wholeNumber(given, { id, unit: 'number', fallback }), range);
  const numbers = {
    samples: number('num-samples', DEFAULT_SAMPLES, { min: MIN_SAMPLES, max: MAX_SAMPLES }),
    resamples: number('num-resamples', DEFAULT_RESAMPLES, { min: 1, max: MAX_RESAMPLES }),
  };
  if (numbers.samples * numbers.resamples > MAX_DRAWS) {
    throw new KwctlError(
      'bench-invalid',
      `'num-samples' times 'num-resamples' must be at most ${MAX_DRAWS}, got ${numbers.samples * numbers.resamples}`,
    );
  }
  return {
    ...numbers,
    warmUpMs: seconds('warm-up-time', DEFAULT_WARM_UP_SECONDS),
    measurementMs: seconds('measurement-time', DEFAULT_MEASUREMENT_SECONDS),
    isDumped: given.options.has('dump-results-to-disk'),
    isJson: given.options.has('json'),
  };
}

interface NumberOption {
  readonly id: string;
  readonly unit: 'seconds' | 'number';
  readonly fallback: number;
}

/** The error texts are those of Rust's `u64`. */
function wholeNumber(given: CommandArguments, { id, unit, fallback }: NumberOption): bigint {
  const text = optionValue(given, id) ?? String(fallback);
  const kind = /^\+?\d+$/.test(text) ? undefined : text === '' ? 'Empty' : 'InvalidDigit';
  const value = kind === undefined ? BigInt(text.replace('+', '')) : 0n;
  const problem = kind ?? (value >= 1n << 64n ? 'PosOverflow' : undefined);
  if (problem === undefined) return value;
  throw new KwctlError('bench-invalid', `Cannot convert '${id}' to ${unit}: ParseIntError { kind: ${problem} }`);
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function within(id: string, value: bigint, { min, max }: Range): number {
  if (value >= BigInt(min) && value <= BigInt(max)) return Number(value);
  throw new KwctlError('bench-invalid', `'${id}' must be between ${min} and ${max}, got ${value}`);
}
