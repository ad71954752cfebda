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

interface HostState {
  /** When it failed last, oldest first. */
  failuresMs: readonly number[];
  /** Asked again from then on. */
  closedUntilMs: number;
}

/** Keeps policies from waiting for a registry that does not answer: it is left alone for a while. */
export class Circuit {
  readonly #hosts = new Map<string, HostState>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Asks `host`, unless it is being left alone, and learns from what comes of it.
   *
   * @throws what `ask` throws, or ArtifactError `registry-unreachable`
   */
  async ask<T>(host: string, ask: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (!this.#admits(host)) {
      const text = `registry ${host} is not asked for a few seconds: it did not answer, or asked to be left alone`;
      throw new ArtifactError('registry-unreachable', text);
    }
    try {
      const answer = await ask(signal);
      this.#hosts.delete(host);
      return answer;
    } catch (error) {
      this.#learn(host, error, signal);
      throw error;
    }
  }

  #learn(host: string, error: unknown, signal: AbortSignal): void {
    switch (failureKind(error)) {
      case 'gone':
      case 'forbidden':
      case 'wrong':
        this.#hosts.delete(host);
        return;
      case 'limited': {
        const pauseMs = (error instanceof ArtifactError ? error.retryAfterMs : undefined) ?? DEFAULT_PAUSE_MS;
        this.#remember(host, { failuresMs: [], closedUntilMs: this.#nowMs() + Math.min(pauseMs, MAX_PAUSE_MS) });
        return;
      }
      case 'unreachable':
        // A question that was given up because its caller went away says nothing about the host; one that took too long does.
        if (!signal.aborted || (signal.reason instanceof Error && signal.reason.name === 'TimeoutError'))
          this.#failed(host);
    }
  }

  /** The first one after a pause is the probe; others go on waiting for its outcome. */
  #admits(host: string): boolean {
    const state = this.#hosts.get(host);
    if (state === undefined || state.closedUntilMs === 0) return true;
    if (this.#nowMs() < state.closedUntilMs) return false;
    state.closedUntilMs = this.#nowMs() + OPEN_MS;
    return true;
  }

  #failed(host: string): void {
    const nowMs = this.#nowMs();
    const state = this.#hosts.get(host);
    const failuresMs = [...(state?.failuresMs ?? []), nowMs]
      .filter((atMs) => nowMs - atMs < WINDOW_MS)
      .slice(-FAILURES);
    const isOpen = failuresMs.length >= FAILURES || (state?.closedUntilMs ?? 0) > 0;
    this.#remember(host, { failuresMs, closedUntilMs: isOpen ? nowMs + OPEN_MS : 0 });
  }

  #remember(host: string, state: HostState): void {
    this.#hosts.delete(host);
    this.#hosts.set(host, state);
    const oldest = this.#hosts.keys().next();
    if (this.#hosts.size > MAX_HOSTS && oldest.done === false) this.#hosts.delete(oldest.value);
  }
}
