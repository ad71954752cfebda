import type { GuestOutcome } from '../guest/guest.ts';
import { ImagedInstances, type Lease } from '../guest/imaged-instances.ts';
import { instancePoolOf } from '../guest/instance-pool.ts';
import type { GuestHost, GuestOperation } from '../runtime.ts';
import { ROOM_PAGES, WasiInstance, type WasiModule } from './instance.ts';
import { type RecordingHost, ReplayingHost } from './replay.ts';
import { type EndedRun, sameEnd } from './same-end.ts';

/** A run that took longer, waits for the host included, is not repeated: its evaluation has a deadline. */
const MAX_REPEATED_MS = 500;
/** Runs that cannot be repeated, before it is given up that one can. */
const UNREPEATABLE_RUNS = 8;
/** Least part of its time that a run must save. */
const LEAST_GAIN = 0.1;
/** The fastest of so many counts: whatever else the machine does only makes things look slower. */
const SAMPLES = 5;
/** For the same reason one run that gained nothing is not believed. */
const RUNS_WITHOUT_GAIN = 3;

/** One run of the program from its start to its end, which one from the image has to equal. */
export interface WholeRun extends EndedRun {
  readonly payload: Uint8Array;
  readonly recording: RecordingHost;
  readonly tookMs: number;
}

/**
 * The image of a program at its first read of standard input, for one operation: by then it has seen its arguments and nothing of
 * a request or of settings.
 *
 * That it goes on from there as from its start is shown before it is used: the first run from the start is repeated from the image,
 * with the host answering as it did then. Both must print the same, end in the same way, and leave memory and globals equal byte
 * for byte. A module that is made to pass this and to go on differently with other requests harms nobody but who runs it: what it
 * knows there it also knows when it is run from its start, and could have answered anything.
 */
export class FirstReadImage {
  readonly #operation: GuestOperation;
  readonly #instances: ImagedInstances<WasiInstance>;
  readonly #nowMs: () => number;
  #state: 'unproven' | 'proving' | 'proven' = 'unproven';
  #unrepeatable = 0;
  #withoutGain = 0;
  /** What the program last took to come to its first read. */
  #toReadMs = 0;
  #refusal: string | undefined;

  constructor(source: WasiModule, operation: GuestOperation) {
    const { plan, thread } = source;
    this.#operation = operation;
    this.#nowMs = instancePoolOf(thread).options.nowMs;
    this.#instances = new ImagedInstances<WasiInstance>({
      plan,
      thread,
      roomPages: ROOM_PAGES,
      instantiate: (memoryPages) => new WasiInstance(source, memoryPages),
      surprise: ({ firstRead }) => (firstRead.isReached ? undefined : (firstRead.surprise ?? 'never reads its input')),
    });
  }

  /** Why there is no image, in words that follow `it`; `undefined` = there is one, or there may be. */
  get refusal(): string | undefined {
    const { report } = this.#instances;
    return this.#refusal ?? (report.kind === 'fresh' ? report.reason : undefined);
  }

  get isProven(): boolean {
    return this.#state === 'proven' && this.refusal === undefined;
  }

  /** Whether a run from the start is wanted to show that the image is right. */
  get isUnproven(): boolean {
    return this.#state === 'unproven' && this.refusal === undefined;
  }

  /** An instance at its first read; `undefined` = none can be had, the program has to run from its start. */
  async take(host: GuestHost): Promise<Lease<WasiInstance> | undefined> {
    const lease = this.#instances.takeIdle() ?? (await this.#make(host));
    lease?.instance.attach(this.#operation, host);
    return lease;
  }

  /** See `ImagedInstances.widen`. */
  widen(lease: Lease<WasiInstance>): Lease<WasiInstance> {
    return this.#instances.widen(lease);
  }

  /** Settings are judged once for a policy: no instance is kept for the next one, the image is enough. */
  giveBack(lease: Lease<WasiInstance>, clean: boolean): void {
    this.#instances.giveBack(lease, clean && this.#operation === 'validate');
  }

  /** Repeats a run from the image, and decides by it whether the image is used from now on. */
  async prove(run: WholeRun): Promise<void> {
    if (!this.isUnproven) return;
    const { answers } = run.recording;
    if (answers === undefined || run.tookMs > MAX_REPEATED_MS || !hasEnded(run.outcome))
      return this.#countUnrepeatable();
    this.#state = 'proving';
    this.#forgetImage();
    let isProven = false;
    try {
      isProven = await this.#repeat(run, new ReplayingHost(answers));
    } catch {
      // There is no memory for a second instance, say. The answer of the first one stands whatever happens here.
      this.#countUnrepeatable();
    }
    this.#state = isProven ? 'proven' : 'unproven';
  }

  #countUnrepeatable(): void {
    this.#unrepeatable += 1;
    if (this.#unrepeatable === UNREPEATABLE_RUNS)
      this.#refusal = 'could not be run twice to see whether it does the same';
  }

  /** `false` without a refusal = the run was stopped: nothing is known. */
  async #repeat(run: WholeRun, host: ReplayingHost): Promise<boolean> {
    const lease = await this.take(host);
    if (lease === undefined) return false;
    const { instance } = lease;
    const startedAtMs = this.#nowMs();
    const outcome = await instance.goOn(run.payload);
    const restMs = this.#nowMs() - startedAtMs;
    const isSame = host.isAtEnd && sameEnd(run, { instance, outcome });
    instance.guest.detach();
    this.#instances.giveBack(lease, isSame && instance.isReusableAfter(outcome));
    if (outcome.kind === 'limit') return false;
    if (isSame) return this.#isWorthIt(restMs);
    this.#refusal = 'does not go on from its first read as it does from its start';
    return false;
  }

  /** An image of an earlier attempt was told another time and other random numbers. */
  #forgetImage(): void {
    do this.#instances.dropOldest();
    while (this.#instances.oldestIdleSinceMs !== undefined);
  }

  async #isWorthIt(restMs: number): Promise<boolean> {
    if (await this.#gains(restMs)) return true;
    this.#withoutGain += 1;
    if (this.#withoutGain === RUNS_WITHOUT_GAIN)
      this.#refusal = 'is at its first read too soon for an image to save time';
    return false;
  }

  /** Whether coming to the image is worth it, next to all else that a run takes. */
  async #gains(restMs: number): Promise<boolean> {
    for (let sample = 1; ; sample += 1) {
      const startedAtMs = this.#nowMs();
      const lease = await this.take(new ReplayingHost([]));
      if (lease === undefined) return false;
      const toImageMs = this.#nowMs() - startedAtMs;
      const gains = toImageMs + restMs <= (1 - LEAST_GAIN) * (this.#toReadMs + restMs);
      const isLast = gains || sample === SAMPLES;
      if (isLast) this.giveBack(lease, true);
      else this.#instances.giveBack(lease, true);
      if (isLast) return gains;
    }
  }

  async #make(host: GuestHost): Promise<Lease<WasiInstance> | undefined> {
    try {
      const lease = await this.#instances.make((instance) => this.#runToFirstRead(instance, host));
      return lease.image === undefined ? undefined : lease;
    } catch (error) {
      if (error instanceof CutShort) return undefined;
      throw error;
    }
  }

  async #runToFirstRead(instance: WasiInstance, host: GuestHost): Promise<void> {
    instance.attach(this.#operation, host);
    const startedAtMs = this.#nowMs();
    const outcome = await instance.toFirstRead();
    this.#toReadMs = this.#nowMs() - startedAtMs;
    const { isReached, surprise } = instance.firstRead;
    // Its evaluation was stopped: that says nothing about the program.
    if (outcome.kind === 'limit' && !isReached && surprise === undefined) throw new CutShort();
  }
}

class CutShort extends Error {}

function hasEnded({ kind }: GuestOutcome): boolean {
  return kind === 'returned' || kind === 'exit';
}
