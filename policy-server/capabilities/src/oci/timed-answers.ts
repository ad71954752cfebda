import { ArtifactError } from '@portcullis/artifact';
import { BoundedCache, type CacheBounds, type CacheSize } from '../cache/bounded-cache.ts';
import { Flights } from '../cache/flights.ts';
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
  readonly circuit: Circuit;
  /** Monotonic. */
  readonly nowMs: () => number;
}

/** Answers that may change: what a tag names, who refers to a digest. */
export class TimedAnswers<T> implements Disposable {
  readonly #options: TimedAnswersOptions<T>;
  readonly #stored: BoundedCache<Stored<T>>;
  readonly #flights = new Flights<T>();

  constructor(options: TimedAnswersOptions<T>) {
    this.#options = options;
    const { ttlMs, staleIfErrorMs } = options.times;
    this.#stored = new BoundedCache<Stored<T>>(
      { ...options.bounds, maxAgeMs: ttlMs + staleIfErrorMs },
      (stored) => (stored.kind === 'answer' ? options.sizeOf(stored.value) : stored.error.message.length),
      options.nowMs,
    );
  }

  /** @throws ArtifactError */
  async answer(question: Question<T>): Promise<T> {
    const { ttlMs, negativeTtlMs } = this.#options.times;
    if (ttlMs === 0) return this.#bypass(question);
    const stored = this.#stored.get(question.key);
    if (stored === undefined) return this.#refresh(question, undefined);
    const ageMs = this.#options.nowMs() - stored.checkedMs;
    if (stored.kind === 'missing') {
      if (ageMs >= negativeTtlMs) return this.#refresh(question, undefined);
      question.onResult('negative');
      throw stored.error;
    }
    if (ageMs >= ttlMs) return this.#refresh(question, stored);
    question.onResult('hit');
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
    return this.#flights.join(question.key, question.ask, question.signal);
  }

  async #refresh(question: Question<T>, stored: { readonly value: T } | undefined): Promise<T> {
    const { key, signal, onResult } = question;
    try {
      const value = await this.#flights.join(key, (inner) => this.#ask(question, inner), signal);
      onResult(stored === undefined ? 'miss' : 'revalidated');
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
      this.#stored.set(key, { kind: 'answer', value, checkedMs: nowMs() });
      return value;
    } catch (error) {
      const kind = failureKind(error);
      if (kind === 'gone' || kind === 'forbidden') this.#stored.delete(key);
      if (kind === 'gone' && remembersMissing && error instanceof ArtifactError)
        this.#stored.set(key, { kind: 'missing', error, checkedMs: nowMs() });
      throw error;
    }
  }
}
