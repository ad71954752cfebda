import { ABANDONMENT } from '../abandonment.ts';
import type { GuestHost, GuestLimits } from '../runtime.ts';
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

/**
 * What the imports of one instance share: its memory, the host it talks to, its limits, and whether it may still run.
 *
 * Calls go through `WebAssembly.promising` always, even if nothing below can suspend: it costs under a microsecond, and there is
 * one path only. Between that call and a suspending import lie frames of the guest alone, as promise integration demands.
 */
export class Guest {
  readonly memory = new GuestMemory();
  readonly limits: GuestLimits;
  readonly host: GuestHost;
  readonly #abandoned = Promise.withResolvers<GuestOutcome>();
  #stop: GuestStop | undefined;
  #over = false;

  constructor(host: GuestHost, limits: GuestLimits) {
    this.host = host;
    this.limits = limits;
  }

  /** An import that answers at once. */
  immediate<A extends unknown[], R>(run: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      if (this.#stop !== undefined) throw this.#stop;
      try {
        return run(...args);
      } catch (error) {
        throw this.#stopFor(error);
      }
    };
  }

  /** An import that may wait: the guest is suspended whenever `run` returns a promise. */
  suspending<A extends unknown[], R>(run: (...args: A) => R | Promise<R>): WebAssembly.Suspending {
    const start = this.immediate(run);
    return new WebAssembly.Suspending((...args: A) => {
      const answer = start(...args);
      return answer instanceof Promise ? this.#resume(answer) : answer;
    });
  }

  /** Calls one export and tells how it ended; never rejects. */
  async call(exported: Callable, ...args: (number | bigint)[]): Promise<GuestOutcome> {
    if (this.#over) return ABANDONED;
    this.#stop = undefined;
    try {
      const running = WebAssembly.promising(exported)(...args);
      return await Promise.race([running.then((value) => this.#outcomeOf(value)), this.#abandoned.promise]);
    } catch (error) {
      return this.#outcomeOfError(error);
    }
  }

  /** The guest is never resumed again; a call under way resolves. */
  abandon(): void {
    this.#over = true;
    this.#abandoned.resolve(ABANDONED);
  }

  async #resume<R>(answer: Promise<R>): Promise<R> {
    try {
      const value = await answer;
      if (this.#over) throw ABANDONMENT;
      return value;
    } catch (error) {
      if (this.#over || error === ABANDONMENT) throw ABANDONMENT;
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
    const error = this.#stop ?? thrown;
    const backtrace = backtraceOf(error);
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
