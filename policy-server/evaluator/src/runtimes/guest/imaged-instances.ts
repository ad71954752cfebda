import type { LinkPlan } from '../../link/plan.ts';
import type { InstanceReport, ThreadContext } from '../runtime.ts';
import { reportOf } from './compile.ts';
import { Image, type InstanceState, type MemoryRange, nonZeroRanges, PAGE_BYTES } from './image.ts';
import { type InstancePool, instancePoolOf, type Shelf } from './instance-pool.ts';

/** What an instance costs the engine apart from its memory: wrappers, dispatch tables, the closures of its imports. */
const INSTANCE_OVERHEAD_BYTES = 65_536;
const TABLE_ENTRY_BYTES = 24;

/** An instance of one module, whatever the runtime puts around it. */
export interface ImagedInstance {
  /** `undefined` = its module is not covered by images. */
  readonly state: InstanceState | undefined;
}

/** How a runtime makes the instances of one module on one thread. */
export interface InstanceRecipe<T extends ImagedInstance> {
  readonly plan: LinkPlan;
  readonly thread: ThreadContext;
  /** A new instance on which no code has run. `memoryPages` = size of the memory to give it, `undefined` = what it declares. */
  instantiate(memoryPages: number | undefined): T;
  /**
   * Asked once start code has run: why what it did is no matter of memory and globals alone (it asked the host, say), so that
   * an image would not hold it; `undefined` = it is.
   */
  surprise(instance: T): string | undefined;
  /** Pages behind the image that evaluations usually grow into, where more is known of the guests than the pool knows. */
  readonly roomPages?: number;
}

/** An instance for one evaluation; the same object whenever the same instance is taken. */
export interface Lease<T> {
  readonly instance: T;
  /** What it stands at; `undefined` = it ran its own start code. */
  readonly image?: Image;
  usedAtMs: number;
}

interface ImagedLease<T> extends Lease<T> {
  readonly image: Image;
  /** Real size of its memory as long as it has not outgrown its room. */
  readonly memoryPages: number;
}

/**
 * The instances of one module on one thread. Each is brought back to the image before an evaluation; while it is taken (its guest
 * may wait for the host) another one is made, from the image and without running start code again.
 *
 * Where there is no image – not asked for, not proven to cover the module, or start code did what no image holds – every instance
 * is new, runs its start code and is dropped after its one evaluation.
 */
export class ImagedInstances<T extends ImagedInstance> implements Shelf {
  readonly #recipe: InstanceRecipe<T>;
  readonly #pool: InstancePool;
  /** The one used last is taken first: the others grow old and are swept. */
  readonly #idle: ImagedLease<T>[] = [];
  #report: InstanceReport;
  #image: Image | undefined;
  #imageTakenAtMs = 0;
  #usedAtMs = 0;

  constructor(recipe: InstanceRecipe<T>) {
    this.#recipe = recipe;
    this.#pool = instancePoolOf(recipe.thread);
    this.#report = reportOf(recipe.plan, recipe.thread.instances);
  }

  /** How evaluations come to their image, as far as is known by now. */
  get report(): InstanceReport {
    return this.#report;
  }

  /** An idle instance, brought back to the image; `undefined` = there is none: `make` one. */
  takeIdle(): Lease<T> | undefined {
    const nowMs = this.#pool.options.nowMs();
    if (this.#image !== undefined && this.#isOld(nowMs)) this.#dropImage();
    return this.#image && this.#takeIdle(this.#image.pagesWith(this.#roomPages), nowMs);
  }

  /** A new instance at the image; calls `start` on it, and passes on what that throws, unless there is an image already. */
  async make(start: (instance: T) => Promise<void> | void): Promise<Lease<T>> {
    if (this.#image !== undefined) return this.#makeAt(this.#image, this.#image.pagesWith(this.#roomPages));
    const instance = this.#recipe.instantiate(undefined);
    const { state } = instance;
    const initial = this.#report.kind === 'fresh' || state === undefined ? [] : nonZeroRanges(state.bytes);
    await start(instance);
    const image = this.#capture(instance, initial);
    const memoryPages = image?.pagesWith(this.#roomPages) ?? 0;
    return image !== undefined && state?.resize(memoryPages) === true
      ? this.#lease(instance, image, memoryPages)
      : { instance, usedAtMs: 0 };
  }

  /**
   * Exchanges an instance in which nothing has run for one with the large room, at the same image. What decides on that must be
   * the request itself (its size, say), never what an earlier one needed. Without an image there is nothing to be put back from
   * and no need for room: the lease stays as it is.
   */
  widen(lease: Lease<T>): Lease<T> {
    const { image } = lease;
    if (image === undefined || image !== this.#image) return lease;
    const memoryPages = image.pagesWith(this.#pool.options.largeRoomPages);
    const wide = this.#takeIdle(memoryPages, lease.usedAtMs) ?? this.#makeAt(image, memoryPages);
    this.giveBack(lease, true);
    return wide;
  }

  /** Takes an instance back. Not `clean` = its evaluation did not end as it should: it is dropped, never put back. */
  giveBack(lease: Lease<T>, clean: boolean): void {
    if (!isImaged(lease)) return;
    const { instance, image, memoryPages } = lease;
    const inRoom = instance.state?.physicalPages === memoryPages;
    if (clean && inRoom && image === this.#image) {
      this.#idle.push(lease);
      this.#pool.fit();
    } else this.#pool.remove(this.#bytesOf(lease));
  }

  get oldestIdleSinceMs(): number | undefined {
    return this.#idle[0]?.usedAtMs;
  }

  dropOldest(): void {
    const lease = this.#idle.shift();
    if (lease !== undefined) this.#pool.remove(this.#bytesOf(lease));
    if (this.#idle.length === 0) this.#dropImage();
  }

  sweep(nowMs: number): boolean {
    const { idleMs } = this.#pool.options;
    while (nowMs - (this.#idle[0]?.usedAtMs ?? nowMs) >= idleMs) this.dropOldest();
    if (this.#image !== undefined && (this.#isOld(nowMs) || nowMs - this.#usedAtMs >= idleMs)) this.#dropImage();
    return this.#image !== undefined;
  }

  get #roomPages(): number {
    return this.#recipe.roomPages ?? this.#pool.options.roomPages;
  }

  /** The one used last of those with a memory of this size. */
  #takeIdle(memoryPages: number, nowMs: number): ImagedLease<T> | undefined {
    let at = this.#idle.length - 1;
    while (at >= 0 && this.#idle[at]?.memoryPages !== memoryPages) at -= 1;
    if (at < 0) return undefined;
    const lease = at === this.#idle.length - 1 ? this.#idle.pop() : this.#idle.splice(at, 1)[0];
    if (lease?.instance.state === undefined) return undefined;
    lease.image.restore(lease.instance.state);
    lease.usedAtMs = nowMs;
    this.#usedAtMs = nowMs;
    return lease;
  }

  #makeAt(image: Image, memoryPages: number): ImagedLease<T> {
    const instance = this.#recipe.instantiate(memoryPages);
    if (instance.state !== undefined) image.apply(instance.state);
    return this.#lease(instance, image, memoryPages);
  }

  #lease(instance: T, image: Image, memoryPages: number): ImagedLease<T> {
    this.#usedAtMs = this.#pool.options.nowMs();
    const lease = { instance, image, memoryPages, usedAtMs: this.#usedAtMs };
    this.#pool.add(this, this.#bytesOf(lease));
    return lease;
  }

  #capture(instance: T, initial: readonly MemoryRange[]): Image | undefined {
    if (this.#report.kind === 'fresh' || instance.state === undefined) return undefined;
    // Start code of another evaluation was faster: its image counts, and this instance serves only the evaluation it was made for.
    if (this.#image !== undefined) return undefined;
    const image = this.#recipe.surprise(instance) ?? this.#imageOf(instance.state, initial);
    if (typeof image === 'string') {
      this.#report = { kind: 'fresh', reason: image };
      return undefined;
    }
    this.#image = image;
    this.#imageTakenAtMs = this.#pool.options.nowMs();
    this.#pool.add(this, image.sizeBytes);
    return image;
  }

  #imageOf(state: InstanceState, initial: readonly MemoryRange[]): Image | string {
    const { maxBytes } = this.#pool.options;
    const maximumPages = this.#recipe.plan.memory?.maximumPages ?? 0;
    const image = Image.capture(state, { maximumPages, initial });
    if (typeof image === 'string') return image;
    const size = image.sizeBytes + this.#bytesOf({ memoryPages: image.pagesWith(this.#roomPages) });
    return size > maxBytes ? `image and instance take ${size} bytes, more than the ${maxBytes} of the pool` : image;
  }

  /** Random seeds and the time of start are part of an image: none is used for ever. */
  #isOld(nowMs: number): boolean {
    return nowMs - this.#imageTakenAtMs >= this.#pool.options.renewalMs;
  }

  #dropImage(): void {
    if (this.#image === undefined) return;
    this.#pool.remove(this.#idle.reduce((size, lease) => size + this.#bytesOf(lease), this.#image.sizeBytes));
    this.#image = undefined;
    this.#idle.length = 0;
  }

  /** What keeping an instance costs. Tables are as large as at the start: no image covers a module that changes one. */
  #bytesOf({ memoryPages }: { readonly memoryPages: number }): number {
    const { tableEntries = 0 } = this.#recipe.plan;
    return memoryPages * PAGE_BYTES + tableEntries * TABLE_ENTRY_BYTES + INSTANCE_OVERHEAD_BYTES;
  }
}

function isImaged<T>(lease: Lease<T>): lease is ImagedLease<T> {
  return lease.image !== undefined;
}
