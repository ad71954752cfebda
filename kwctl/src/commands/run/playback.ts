import {
  debugRequest,
  ReplaySession,
  type CapabilityRequest,
  type CapabilitySession,
  type Exchange,
} from '@portcullis/capabilities';

/**
 * One recorded session for all policies of a command line. Each may find it as if it were the only one, which is what
 * sessions written by hand are made for; or go on where the one before stopped, which is how several are recorded.
 */
export class Playback implements CapabilitySession {
  readonly #recorded: readonly Exchange[];
  readonly #unplayed: Set<Exchange>;
  #session: ReplaySession;
  /** What the policies before did not ask for. */
  #left: readonly Exchange[] = [];
  #isAsked = false;

  constructor(recorded: readonly Exchange[]) {
    this.#recorded = recorded;
    this.#unplayed = new Set(recorded);
    this.#session = new ReplaySession(recorded);
  }

  /** Another policy begins. */
  next(): void {
    if (!this.#isAsked) return;
    this.#left = [...this.#session.remaining];
    this.#session = new ReplaySession(this.#recorded);
    this.#isAsked = false;
  }

  /** What no policy has asked for. */
  get unplayed(): readonly Exchange[] {
    return [...this.#unplayed];
  }

  exchange(request: CapabilityRequest): Promise<Uint8Array> {
    const [following] = this.#left;
    // The first thing a policy asks for tells which of the two it is.
    if (!this.#isAsked && following !== undefined && debugRequest(following.request) === debugRequest(request)) {
      this.#session = new ReplaySession(this.#left);
    }
    this.#isAsked = true;
    const [exchange] = this.#session.remaining;
    if (exchange !== undefined) this.#unplayed.delete(exchange);
    return this.#session.exchange(request);
  }
}
