import { ABANDONMENT } from '../abandonment.ts';
import type { GuestHost, GuestLimits } from '../runtime.ts';
import { AttachedHost } from './attached-host.ts';
import { backtraceOf } from './backtrace.ts';
import { GuestMemory } from './memory.ts';
import { GuestStop } from './stop.ts';

/** How a call into the guest ended. */
export type GuestOutcome =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'exit'; readonly exitCode: number; readonly backtrace: string }
  | { readonly kind: 'trap'; readonly message: string; readonly backtrace: string }
  | { readonly kind: 'limit'; readonly message: string };

const ABANDONED: GuestOutcome = { kind: 'limit', message: 'the evaluation was cut short' };

/** Bit 0 of the first word of a thread's control page: the guest that is on the thread is to stop. */
const STOP = 1;
/** For guests outside of a thread that could be told anything. */
const NEVER_STOPPED = new Int32Array(1);

type Entry = (...args: (number | bigint)[]) => Promise<unknown>;

/**
 * What the imports of one instance share: its memory, the host it talks to, its limits, and whether it may still run. An instance
 * may serve many evaluations, one after the other: `attach` begins the next one.
 *
 * Calls go through `WebAssembly.promising` if the module imports anything during which it may be suspended. Between that call and
 * such an import lie frames of the guest alone, as promise integration demands. A stack of its own costs a call 3 µs, a twentieth
 * of a small evaluation: a module that asks nobody is called directly.
 */
export class Guest {
  readonly memory = new GuestMemory();
  /** What it is an instance of: backtraces are told in its terms. */
  module: WebAssembly.Module | undefined;
  readonly limits: GuestLimits;
  readonly host = new AttachedHost();
  readonly #control: Int32Array;
  readonly #entries = new Map<Callable, Entry>();
  readonly #resets: (() => void)[] = [];
  #settle: ((outcome: GuestOutcome) => void) | undefined;
  #stop: GuestStop | undefined;
  #maySuspend = false;
  #isSpoilt = false;
  #isOver = false;

  /** `host` is that of the first evaluation, if it is known; `control` is the page of the thread. */
  constructor(host: GuestHost | undefined, limits: GuestLimits, control?: WebAssembly.Memory) {
    if (host !== undefined) this.host.attach(host);
    this.limits = limits;
    this.#control = control === undefined ? NEVER_STOPPED : new Int32Array(control.buffer, 0, 1);
  }

  /** Begins an evaluation: nothing on this side of the guest remembers an earlier one. */
  attach(host: GuestHost): void {
    this.host.attach(host);
    this.memory.forgetSize();
    this.#reset();
  }

  /** Ends an evaluation after which the instance may wait for another one: nothing here keeps its request or its answer alive. */
  detach(): void {
    this.host.detach();
    this.#reset();
  }

  #reset(): void {
    this.#stop = undefined;
    this.#resets.forEach((reset) => reset());
  }

  /** Registers what is to be done whenever an evaluation begins or has ended: for imports that remember something while one lasts. */
  onReset(reset: () => void): void {
    this.#resets.push(reset);
  }

  /** Whether the instance may serve another evaluation: the last call into it returned, and nothing went wrong on the way. */
  get isReusable(): boolean {
    return this.#settle === undefined && !this.#isSpoilt && !this.#isOver;
  }

  /** Something went wrong that the guest may take in its stride: its instance is not used again. */
  spoil(): void {
    this.#isSpoilt = true;
  }

  /** An import that answers at once. */
  immediate<A extends unknown[], R>(run: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      // A guest that does nothing but call imports may never come to a check of its own.
      this.checkStop();
      if (this.#stop !== undefined) throw this.#stop;
      try {
        return run(...args);
      } catch (error) {
        if (error === ABANDONMENT) throw error;
        throw this.#stopFor(error);
      }
    };
  }

  /** For imports that take long: throws once the guest is to stop. */
  checkStop(): void {
    if (this.#isToStop()) throw ABANDONMENT;
  }

  /** An import that may wait: the guest is suspended whenever `run` returns a promise. */
  suspending<A extends unknown[], R>(run: (...args: A) => R | Promise<R>): WebAssembly.Suspending {
    this.#maySuspend = true;
    const start = this.immediate(run);
    return new WebAssembly.Suspending((...args: A) => {
      const answer = start(...args);
      return answer instanceof Promise ? this.#resume(answer) : answer;
    });
  }

  /** Calls one export and tells how it ended; never rejects. */
  call(exported: Callable, ...args: (number | bigint)[]): Promise<GuestOutcome> {
    if (this.#isOver) return Promise.resolve(ABANDONED);
    this.#stop = undefined;
    this.#isSpoilt = false;
    return this.#maySuspend
      ? this.#callSuspendable(exported, args)
      : Promise.resolve(this.#callDirectly(exported, args));
  }

  #callDirectly(exported: Callable, args: readonly (number | bigint)[]): GuestOutcome {
    try {
      return this.#outcomeOf(exported(...args));
    } catch (error) {
      return this.#outcomeOfError(error);
    }
  }

  #callSuspendable(exported: Callable, args: readonly (number | bigint)[]): Promise<GuestOutcome> {
    return new Promise((resolve) => {
      this.#settle = resolve;
      try {
        this.#entryOf(exported)(...args).then(this.#returned, this.#threw);
      } catch (error) {
        this.#threw(error);
      }
    });
  }

  /** The guest is never resumed again, and its instance never used again; a call under way resolves. */
  abandon(): void {
    this.#isOver = true;
    this.#finish(ABANDONED);
  }

  #entryOf(exported: Callable): Entry {
    const known = this.#entries.get(exported);
    if (known !== undefined) return known;
    const entry = WebAssembly.promising(exported);
    this.#entries.set(exported, entry);
    return entry;
  }

  // Bound once, not for every call. A guest that comes to its end after it was abandoned has nobody to tell.
  readonly #returned = (value: unknown): void => this.#finish(this.#outcomeOf(value));
  readonly #threw = (error: unknown): void => this.#finish(this.#outcomeOfError(error));

  #finish(outcome: GuestOutcome): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(outcome);
  }

  #isToStop(): boolean {
    return (Atomics.load(this.#control, 0) & STOP) !== 0;
  }

  async #resume<R>(answer: Promise<R>): Promise<R> {
    try {
      const value = await answer;
      if (this.#isOver) throw ABANDONMENT;
      return value;
    } catch (error) {
      if (this.#isOver || error === ABANDONMENT) throw ABANDONMENT;
      throw this.#stopFor(error);
    }
  }

  #stopFor(error: unknown): GuestStop {
    this.#stop ??= error instanceof GuestStop ? error : new GuestStop('trap', `an import failed: ${String(error)}`);
    return this.#stop;
  }

  #outcomeOf(value: unknown): GuestOutcome {
    return this.#stop === undefined ? { kind: 'returned', value } : this.#outcomeOfError(this.#stop);
  }

  #outcomeOfError(thrown: unknown): GuestOutcome {
    this.spoil();
    // The trap of a check looks like any other; what tells it apart is who asked for it.
    if (thrown === ABANDONMENT || this.#isToStop()) return ABANDONED;
    const error = this.#stop ?? thrown;
    const backtrace = backtraceOf(error, this.module);
    if (!(error instanceof GuestStop)) {
      return { kind: 'trap', message: error instanceof Error ? error.message : 'uncaught exception', backtrace };
    }
    switch (error.reason) {
      case 'exit':
        return { kind: 'exit', exitCode: error.exitCode, backtrace };
      case 'limit':
        return { kind: 'limit', message: error.message };
      case 'trap':
        return { kind: 'trap', message: error.message, backtrace };
    }
  }
}

export type Callable = (...args: (number | bigint)[]) => unknown;
