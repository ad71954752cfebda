import { ImagedInstances, type Lease } from '../guest/imaged-instances.ts';
import type { InstanceReport, ThreadContext } from '../runtime.ts';
import type { BuiltinHost } from './context.ts';
import { regoFailureFrom } from './errors.ts';
import type { DocumentParts } from './documents.ts';
import { RegoInstance, type RegoParts, type StartTables } from './instance.ts';

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

/** The instances of a policy on one thread that begin at the same image. */
export class RegoInstances {
  readonly #instances: ImagedInstances<RegoInstance>;
  /** What start code told, the same for all instances; known once the first one has started. */
  #tables: StartTables = { builtins: new Map(), dataAddress: 0, hasData: false };

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
   * An instance at the image: start code has run, no request has been seen.
   *
   * @param data - the document that instances of this image have read, always the same
   * @throws RegoFailure when start code traps or what the module says about itself makes no sense
   */
  async take(host: BuiltinHost, data?: DocumentParts): Promise<Lease<RegoInstance>> {
    const lease = this.#instances.takeIdle() ?? (await this.#make(host, data));
    lease.instance.context.begin(host);
    return lease;
  }

  /** Exchanges an instance in which nothing has run for one with more room. */
  widen(lease: Lease<RegoInstance>, host: BuiltinHost): Lease<RegoInstance> {
    const wide = this.#instances.widen(lease);
    if (wide === lease) return lease;
    lease.instance.context.end();
    wide.instance.connect(this.#tables);
    wide.instance.context.begin(host);
    return wide;
  }

  /** @param clean - whether the evaluation ended as it should; nothing else can be brought back to the image. */
  giveBack(lease: Lease<RegoInstance>, clean: boolean): void {
    lease.instance.context.end();
    this.#instances.giveBack(lease, clean);
  }

  async #make(host: BuiltinHost, data: DocumentParts | undefined): Promise<Lease<RegoInstance>> {
    const lease = await this.#instances.make((fresh) => {
      fresh.context.begin(host);
      try {
        this.#tables = fresh.start(data);
      } catch (error) {
        throw regoFailureFrom(error);
      }
    });
    lease.instance.connect(this.#tables);
    return lease;
  }
}
