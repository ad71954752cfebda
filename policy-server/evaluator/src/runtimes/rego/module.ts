import { ImagedInstances, type Lease } from '../guest/imaged-instances.ts';
import type { InstanceReport, ThreadContext } from '../runtime.ts';
import type { BuiltinHost } from './context.ts';
import { regoFailureFrom } from './errors.ts';
import { type BuiltinNumbers, RegoInstance, type RegoParts } from './instance.ts';

/** What `opa build` modules are made for, should the link step not have found out. */
const USUAL_PAGES = 5;

/**
 * Makes an instance on which no code has run.
 *
 * @throws RegoFailure
 */
export function instantiateRego(parts: RegoParts, memoryPages: number | undefined): RegoInstance {
  const { memoryPages: mostPages } = parts.thread.limits;
  const { initialPages, maximumPages } = parts.plan.memory ?? {
    initialPages: Math.min(USUAL_PAGES, mostPages),
    maximumPages: mostPages,
  };
  for (let pages = memoryPages ?? initialPages; ; pages = Math.min(pages * 2, maximumPages)) {
    try {
      return new RegoInstance(parts, new WebAssembly.Memory({ initial: pages, maximum: maximumPages }));
    } catch (error) {
      // The engine does not tell how large a memory a module wants to be given, only that this one is too small.
      if (!(error instanceof WebAssembly.LinkError) || pages >= maximumPages) throw regoFailureFrom(error);
    }
  }
}

/** A policy on one thread: hands out its instances, each at the image. */
export class RegoModule {
  readonly #instances: ImagedInstances<RegoInstance>;
  /** Of the module, and so of all its instances; known once the first one has started. */
  #builtins: BuiltinNumbers = new Map();

  constructor(parts: RegoParts & { readonly thread: ThreadContext }) {
    const { plan, thread } = parts;
    this.#instances = new ImagedInstances({
      plan,
      thread,
      instantiate: (memoryPages) => instantiateRego(parts, memoryPages),
      surprise: ({ context }) => (context.hasLogged ? 'its start code writes to the log' : undefined),
    });
  }

  get report(): InstanceReport {
    return this.#instances.report;
  }

  /**
   * An instance at its image: start code has run, no request has been seen.
   *
   * @throws RegoFailure when start code traps or what the module says about itself makes no sense
   */
  async take(host: BuiltinHost): Promise<Lease<RegoInstance>> {
    const lease = this.#instances.takeIdle() ?? (await this.#make(host));
    lease.instance.context.begin(host);
    return lease;
  }

  /** Exchanges an instance in which nothing has run for one with more room. */
  widen(lease: Lease<RegoInstance>, host: BuiltinHost): Lease<RegoInstance> {
    const wide = this.#instances.widen(lease);
    if (wide === lease) return lease;
    lease.instance.context.end();
    wide.instance.connect(this.#builtins);
    wide.instance.context.begin(host);
    return wide;
  }

  /** @param clean - whether the evaluation ended as it should; nothing else can be brought back to the image. */
  giveBack(lease: Lease<RegoInstance>, clean: boolean): void {
    lease.instance.context.end();
    this.#instances.giveBack(lease, clean);
  }

  async #make(host: BuiltinHost): Promise<Lease<RegoInstance>> {
    const lease = await this.#instances.make((fresh) => {
      fresh.context.begin(host);
      try {
        this.#builtins = fresh.start();
      } catch (error) {
        throw regoFailureFrom(error);
      }
    });
    lease.instance.connect(this.#builtins);
    return lease;
  }
}
