import { isDeepStrictEqual } from 'node:util';
import { ArtifactError, Flights } from '@portcullis/artifact';
import { BoundedCache, type CacheBounds, type CacheSize } from '../cache/bounded-cache.ts';
import type { CacheResult } from '../cache/lookup.ts';
import type { Circuit } from './circuit.ts';
import { failureKind } from './failure.ts';

/** How long answers count. */
export interface AnswerTimes {
  /** For so long an answer is given again without asking. 0 switches the cache off. */
  readonly ttlMs: number;
  /** The same for "there is none". */
  readonly negativeTtlMs: number;
  /** For so long after that it stands in for a registry that cannot answer. */
  readonly staleIfErrorMs: number;
}

type Stored<T> =
  | { readonly kind: 'answer'; readonly value: T; readonly checkedMs: number }
  | { readonly kind: 'missing'; readonly error: ArtifactError; readonly checkedMs: number };

/** One question that may be answered from memory. */
export interface Question<T> {
  readonly key: string;
  readonly host: string;
  readonly ask: (signal: AbortSignal) => Promise<T>;
  readonly signal: AbortSignal | undefined;
  /** "There is none" is an answer as well (the signature of an image); otherwise it is asked each time. */
  readonly remembersMissing: boolean;
  readonly onResult: (result: CacheResult) => void;
}

export interface TimedAnswersOptions<T> {
  readonly bounds: Omit<CacheBounds, 'maxAgeMs'>;
  readonly times: AnswerTimes;
  readonly sizeOf: (value: T) => number;
  /** Whether an answer says "there is none". @default none does */
  readonly isNone?: (value: T) => boolean;
  readonly circuit: Circuit;
  /** Monotonic. */
  readonly nowMs: () => number;
}

/** An error holds its stack besides its message. */
const ERROR_BYTES = 2048;

/** Answers that may change: what a tag names, who refers to a digest. */
export class TimedAnswers<T> implements Disposable {
  readonly #options: TimedAnswersOptions<T>;
  readonly #stored: BoundedCache<Stored<T>>;
  readonly #flights = new Flights<T>('an answer of a registry');

  constructor(options: TimedAnswersOptions<T>) {
    this.#options = options;
    const { ttlMs, staleIfErrorMs } = options.times;
    this.#stored = new BoundedCache<Stored<T>>(
      { ...options.bounds, maxAgeMs: ttlMs + staleIfErrorMs },
      (stored) => (stored.kind === 'answer' ? options.sizeOf(stored.value) : stored.error.message.length + ERROR_BYTES),
      options.nowMs,
    );
  }

  /** @throws ArtifactError */
  async answer(question: Question<T>): Promise<T> {
    const { ttlMs, negativeTtlMs } = this.#options.times;
    if (ttlMs === 0) return this.#bypass(question);
    const stored = this.#stored.get(question.key);
    if (stored === undefined) return this.#refresh(question, undefined);
    const isNegative = stored.kind === 'missing' || this.#options.isNone?.(stored.value) === true;
    const isFresh = this.#options.nowMs() - stored.checkedMs < (isNegative ? Math.min(negativeTtlMs, ttlMs) : ttlMs);
    if (!isFresh) return this.#refresh(question, stored.kind === 'answer' ? stored : undefined);
    question.onResult(isNegative ? 'negative' : 'hit');
    if (stored.kind === 'missing') throw stored.error;
    return stored.value;
  }

  get size(): CacheSize {
    return this.#stored.size;
  }

  [Symbol.dispose](): void {
    this.#stored[Symbol.dispose]();
  }

  async #bypass(question: Question<T>): Promise<T> {
    question.onResult('bypass');
    const { key, host, ask, signal } = question;
    return this.#flights.join(key, { signal }, (flight) => this.#options.circuit.ask(host, ask, flight.signal));
  }

  async #refresh(question: Question<T>, stored: { readonly value: T } | undefined): Promise<T> {
    const { key, signal, onResult } = question;
    try {
      const value = await this.#flights.join(key, { signal }, (flight) => this.#ask(question, flight.signal));
      onResult(stored !== undefined && isDeepStrictEqual(value, stored.value) ? 'revalidated' : 'miss');
      return value;
    } catch (error) {
      const kind = failureKind(error);
      if (stored === undefined || (kind !== 'unreachable' && kind !== 'limited')) throw error;
      onResult('stale');
      return stored.value;
    }
  }

  /** Asks, once for all who wait, and keeps in mind what came of it. */
  async #ask({ key, host, ask, remembersMissing }: Question<T>, signal: AbortSignal): Promise<T> {
    const { circuit, nowMs } = this.#options;
    try {
      const value = await circuit.ask(host, ask, signal);
      // What was given up may have been asked anew meanwhile: the older answer must not replace the newer.
      if (!signal.aborted) this.#stored.set(key, { kind: 'answer', value, checkedMs: nowMs() });
      return value;
    } catch (error) {
      const kind = failureKind(error);
      if (kind === 'gone' || kind === 'forbidden') this.#stored.delete(key);
      if (kind === 'gone' && remembersMissing && error instanceof ArtifactError)
        this.#stored.set(key, { kind: 'missing', error: withoutCause(error), checkedMs: nowMs() });
      throw error;
    }
  }
}

/** Causes may hold on to anything. */
function withoutCause({ code, message, status }: ArtifactError): ArtifactError {
  return new ArtifactError(code, message, { status });
}
