import { ArtifactError } from '@portcullis/artifact';
import { failureKind } from './failure.ts';

/** So many failures within the window open the circuit of a host. */
const FAILURES = 3;
const WINDOW_MS = 10_000;
/** How long a host with an open circuit is left alone; then one question tells whether it is back. */
const OPEN_MS = 10_000;
/** Hosts that are kept in mind; references name them, so their number is an attacker's choice. */
const MAX_HOSTS = 1024;
/** How long a host that limits rates without saying for how long is left alone. */
const DEFAULT_PAUSE_MS = 10_000;
/** No longer than this, whatever the host says: it may be an attacker's. */
const MAX_PAUSE_MS = 600_000;
/** Whoever waited for less cannot say that a host is slow: a policy that is late must not close a registry to all others. */
const SLOW_MS = 500;

interface Pause {
  /** Asked again from then on, by one at first. */
  readonly untilMs: number;
  readonly because: 'limited' | 'unreachable';
}

interface HostState {
  /** When it failed last, oldest first. */
  readonly failuresMs: readonly number[];
  readonly pause: Pause | undefined;
}

export interface CircuitOptions {
  /** Monotonic. */
  readonly nowMs: () => number;
  /** The longest a question may take, however many wait for it. */
  readonly maxAnswerMs: number;
}

/** Keeps policies from waiting for a registry that does not answer: it is left alone for a while. */
export class Circuit {
  readonly #hosts = new Map<string, HostState>();
  readonly #options: CircuitOptions;

  constructor(options: CircuitOptions) {
    this.#options = options;
  }

  /**
   * Asks `host`, unless it is being left alone, and learns from what comes of it.
   *
   * @throws what `ask` throws, or ArtifactError `registry-unreachable` or `rate-limited`
   */
  async ask<T>(host: string, ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const isProbe = this.#admit(host);
    const startedMs = this.#options.nowMs();
    // Those who wait come and go; a question that somebody always waits for would else never count as a failed one.
    const limited = AbortSignal.any([signal, AbortSignal.timeout(this.#options.maxAnswerMs)]);
    try {
      const answer = await ask(limited);
      this.#answered(host, isProbe);
      return answer;
    } catch (error) {
      this.#learn(host, error, { isProbe, saysNothing: saysNothing(limited, this.#options.nowMs() - startedMs) });
      throw error;
    }
  }

  /**
   * The first one after a pause is the probe; others go on waiting for its outcome.
   *
   * @returns whether this is the probe
   */
  #admit(host: string): boolean {
    const state = this.#hosts.get(host);
    if (state?.pause === undefined) return false;
    const { untilMs, because } = state.pause;
    const leftMs = untilMs - this.#options.nowMs();
    if (leftMs > 0) throw pausedError(host, because, leftMs);
    this.#remember(host, { ...state, pause: { because, untilMs: this.#options.nowMs() + OPEN_MS } });
    return true;
  }

  #learn(
    host: string,
    error: unknown,
    { isProbe, saysNothing: isSilent }: { readonly isProbe: boolean; readonly saysNothing: boolean },
  ): void {
    switch (failureKind(error)) {
      case 'gone':
      case 'forbidden':
      case 'wrong':
        this.#answered(host, isProbe);
        return;
      case 'limited':
        this.#limited(host, error);
        return;
      case 'unreachable':
        if (!isSilent) this.#failed(host);
        else if (isProbe) this.#letNextProbe(host);
    }
  }

  /** What was asked before a host wished to be left alone may well be answered after; the wish stands. */
  #answered(host: string, isProbe: boolean): void {
    if (isProbe || this.#hosts.get(host)?.pause?.because !== 'limited') this.#hosts.delete(host);
  }

  #limited(host: string, error: unknown): void {
    const waitMs = (error instanceof ArtifactError ? error.retryAfterMs : undefined) ?? DEFAULT_PAUSE_MS;
    const untilMs = this.#options.nowMs() + Math.min(waitMs, MAX_PAUSE_MS);
    this.#remember(host, { failuresMs: [], pause: { untilMs, because: 'limited' } });
  }

  #letNextProbe(host: string): void {
    const state = this.#hosts.get(host);
    if (state?.pause === undefined) return;
    this.#remember(host, { ...state, pause: { ...state.pause, untilMs: this.#options.nowMs() } });
  }

  #failed(host: string): void {
    const nowMs = this.#options.nowMs();
    const state = this.#hosts.get(host);
    const failuresMs = [...(state?.failuresMs ?? []), nowMs]
      .filter((atMs) => nowMs - atMs < WINDOW_MS)
      .slice(-FAILURES);
    const isOpen = failuresMs.length >= FAILURES || state?.pause !== undefined;
    const untilMs = Math.max(nowMs + OPEN_MS, state?.pause?.untilMs ?? 0);
    const because = state?.pause?.because ?? 'unreachable';
    this.#remember(host, { failuresMs, pause: isOpen ? { untilMs, because } : undefined });
  }

  #remember(host: string, state: HostState): void {
    this.#hosts.delete(host);
    this.#hosts.set(host, state);
    const oldest = this.#hosts.keys().next();
    if (this.#hosts.size > MAX_HOSTS && oldest.done === false) this.#hosts.delete(oldest.value);
  }
}

/** A question that was given up because its caller went away says nothing about the host; one that took too long does. */
function saysNothing({ aborted, reason }: AbortSignal, elapsedMs: number): boolean {
  if (!aborted) return false;
  return !(reason instanceof Error && reason.name === 'TimeoutError') || elapsedMs < SLOW_MS;
}

function pausedError(host: string, because: Pause['because'], leftMs: number): ArtifactError {
  const text = `registry ${host} is not asked for another ${Math.ceil(leftMs / 1000)} s`;
  return because === 'limited'
    ? new ArtifactError('rate-limited', `${text}: it limits how often it may be asked`, { retryAfterMs: leftMs })
    : new ArtifactError('registry-unreachable', `${text}: it did not answer – check host, port and network`);
}
