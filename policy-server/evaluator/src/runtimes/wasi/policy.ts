import type { LinkPlan } from '../../link/plan.ts';
import { ImagedInstances } from '../guest/imaged-instances.ts';
import { instancePoolOf } from '../guest/instance-pool.ts';
import type { Evaluation, GuestHost, GuestOperation, InstanceReport, Prepared } from '../runtime.ts';
import { NO_PROTOCOL_VERSION, type Source, WasiEvaluation } from './evaluation.ts';
import { FirstReadImage } from './first-read-image.ts';
import { ROOM_PAGES, WasiInstance, type WasiModule } from './instance.ts';
import { RecordingHost } from './replay.ts';

const AT_FIRST_READ = 'at its first read of standard input';
const AT_START = 'at its start';

/**
 * Settings are judged once for each policy, and an image for that costs as much as running the program twice: it is made once a
 * module turns out to have many policies.
 */
const SETTINGS_BEFORE_IMAGE = 3;

/** What can be said of a program before it has run: where its image will be taken. */
export function promisedInstances({ checkpoint }: LinkPlan, report: InstanceReport): InstanceReport {
  if (report.kind === 'fresh') return report;
  return { kind: 'reset', image: checkpoint === undefined ? AT_START : `${AT_FIRST_READ}, once that has proven right` };
}

/**
 * A WASI policy on one thread. Its instances are brought back to where the program begins or, if it is one of the Go toolchain and
 * that was shown to be the same, to its first read of standard input.
 */
export class WasiPolicy implements Prepared {
  readonly #module: WasiModule;
  readonly #nowMs: () => number;
  readonly #fromStart: ImagedInstances<WasiInstance>;
  readonly #firstReads: ReadonlyMap<GuestOperation, FirstReadImage>;
  #settingsJudged = 0;

  constructor(module: WasiModule) {
    const { plan, thread } = module;
    this.#module = module;
    this.#nowMs = instancePoolOf(thread).options.nowMs;
    this.#fromStart = new ImagedInstances<WasiInstance>({
      plan,
      thread,
      roomPages: ROOM_PAGES,
      instantiate: (memoryPages) => new WasiInstance(module, memoryPages),
      surprise: (instance) => instance.surprise,
    });
    const hasImages = plan.checkpoint !== undefined && this.#fromStart.report.kind === 'reset';
    const operations: readonly GuestOperation[] = hasImages ? ['validate', 'validate_settings'] : [];
    this.#firstReads = new Map(operations.map((operation) => [operation, new FirstReadImage(module, operation)]));
  }

  get instances(): InstanceReport {
    const promised = promisedInstances(this.#module.plan, this.#fromStart.report);
    const firstRead = this.#firstReads.get('validate');
    if (promised.kind === 'fresh' || firstRead === undefined) return promised;
    if (firstRead.isProven) return { kind: 'reset', image: AT_FIRST_READ };
    const { refusal } = firstRead;
    return refusal === undefined ? promised : { kind: 'reset', image: `${AT_START}: it ${refusal}` };
  }

  async begin(operation: GuestOperation, host: GuestHost): Promise<Evaluation> {
    if (operation === 'protocol_version') return NO_PROTOCOL_VERSION;
    const firstRead = this.#firstReads.get(operation);
    if (firstRead?.isProven === true) {
      const lease = await firstRead.take(host);
      if (lease !== undefined) return new WasiEvaluation({ operation, host }, lease, goingOn(firstRead));
    }
    if (firstRead?.isUnproven === true && !this.#isWorthAnImage(operation)) return this.#beginOnce(operation, host);
    return firstRead?.isUnproven === true
      ? this.#beginObserved(firstRead, operation, host)
      : this.#beginFromStart(operation, host);
  }

  #isWorthAnImage(operation: GuestOperation): boolean {
    if (operation !== 'validate_settings') return true;
    this.#settingsJudged += 1;
    return this.#settingsJudged > SETTINGS_BEFORE_IMAGE;
  }

  /** From the start on an instance of its own, of which nothing is kept. */
  #beginOnce(operation: GuestOperation, host: GuestHost): Evaluation {
    const instance = new WasiInstance(this.#module);
    instance.attach(operation, host);
    return new WasiEvaluation(
      { operation, host },
      { instance, usedAtMs: 0 },
      { run: (_, payload) => instance.run(payload), giveBack: () => undefined },
    );
  }

  async #beginFromStart(operation: GuestOperation, host: GuestHost): Promise<Evaluation> {
    const instances = this.#fromStart;
    const start = async (instance: WasiInstance): Promise<void> => {
      instance.attach(operation, host);
      await instance.initialise();
    };
    const lease = instances.takeIdle() ?? (await instances.make(start));
    // An instance without an image has just run its start code for this very evaluation: that counts, its output too.
    if (lease.image !== undefined) lease.instance.attach(operation, host);
    return new WasiEvaluation({ operation, host }, lease, {
      widen: (narrow) => instances.widen(narrow),
      run: (instance, payload) => instance.run(payload),
      giveBack: (used, clean) => instances.giveBack(used, clean),
    });
  }

  /** From the start on an instance of its own, and everything is recorded that the host answers. */
  async #beginObserved(image: FirstReadImage, operation: GuestOperation, host: GuestHost): Promise<Evaluation> {
    const instance = new WasiInstance(this.#module);
    const recording = new RecordingHost(host);
    instance.attach(operation, recording);
    let tookMs = 0;
    return new WasiEvaluation(
      { operation, host },
      { instance, usedAtMs: 0 },
      {
        run: async (_, payload) => {
          const startedAtMs = this.#nowMs();
          const outcome = await instance.run(payload);
          tookMs = this.#nowMs() - startedAtMs;
          return outcome;
        },
        learn: (_, outcome, payload) => image.prove({ instance, outcome, payload, recording, tookMs }),
        giveBack: () => undefined,
      },
    );
  }
}

function goingOn(image: FirstReadImage): Source {
  return {
    widen: (lease) => image.widen(lease),
    run: (instance, payload) => instance.goOn(payload),
    giveBack: (lease, clean) => image.giveBack(lease, clean),
  };
}
