/** How long a host that does not answer is left alone; then one question tells whether it is back. */
const PAUSE_MS = 10_000;
/** Whoever publishes images chooses digests: what is remembered of them is bounded, the oldest goes first. */
const MAX_REMEMBERED = 1000;

/** Which hosts answer, and which have handed out content that was not what it should be. */
export class MirrorHealth {
  readonly #nowMs: () => number;
  /** When a host that did not answer is asked again. The hosts are those of the operator's sources. */
  readonly #pausedUntilMs = new Map<string, number>();
  readonly #damaged = new Set<string>();
  /** Blobs of which somebody holds a beginning that cannot be trusted. */
  readonly #tainted = new Set<string>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** False while a host is left alone. The first to ask after that is alone in it until the host has answered. */
  admits(host: string): boolean {
    const untilMs = this.#pausedUntilMs.get(host);
    if (untilMs === undefined) return true;
    if (this.#nowMs() < untilMs) return false;
    this.failed(host);
    return true;
  }

  answered(host: string): void {
    this.#pausedUntilMs.delete(host);
  }

  failed(host: string): void {
    this.#pausedUntilMs.set(host, this.#nowMs() + PAUSE_MS);
  }

  /** A host that damaged a blob once is not asked for it again. */
  distrust(host: string, digest: string): void {
    remember(this.#damaged, `${host} ${digest}`);
  }

  isTrusted(host: string, digest: string): boolean {
    return !this.#damaged.has(`${host} ${digest}`);
  }

  /** What was handed out of this blob is not to be continued. */
  taint(digest: string): void {
    remember(this.#tainted, digest);
  }

  /** Whether a blob must be begun anew. Said once: whoever hears it does so. */
  takeTaint(digest: string): boolean {
    return this.#tainted.delete(digest);
  }
}

function remember(known: Set<string>, key: string): void {
  known.add(key);
  const oldest = known.values().next();
  if (known.size > MAX_REMEMBERED && oldest.done === false) known.delete(oldest.value);
}
