import { ABANDONMENT } from '../abandonment.ts';
import type { HostFunction, HostFunctions } from '../guest/offer.ts';
import { GuestStop } from '../guest/stop.ts';

/**
 * What a program may call on its way to its first read. The answers are in its memory and the host remembers nothing of it, so
 * memory and globals are all there is to a program that got there.
 */
const LEAVES_NOTHING_BEHIND: ReadonlySet<string> = new Set([
  'args_get',
  'args_sizes_get',
  'clock_res_get',
  'clock_time_get',
  'environ_get',
  'environ_sizes_get',
  'fd_fdstat_get',
  'fd_fdstat_set_flags',
  'fd_prestat_dir_name',
  'fd_prestat_get',
  'fd_read',
  'random_get',
  'sched_yield',
]);

const STDIN = 0;

type FdRead = (descriptor: number, ...rest: number[]) => unknown;

/**
 * Stands between a program and the host until the program first reads its standard input, and stops it there, or where it turns
 * to the host in any other way: whatever it wants to do has not been done then.
 */
export class FirstRead {
  #isAwaited = false;
  #isReached = false;
  #surprise: string | undefined;

  /** From now on the program is stopped where it reads. */
  await(): void {
    this.#isAwaited = true;
    this.#isReached = false;
    this.#surprise = undefined;
  }

  /** The program was stopped, or ended; from now on nothing is kept from it. */
  settle(): void {
    this.#isAwaited = false;
  }

  /** Whether the program was stopped in its first read: all it has done since its start is in its memory and globals. */
  get isReached(): boolean {
    return this.#isReached && this.#surprise === undefined;
  }

  /** What else it wanted to do first, in words that follow `it`. */
  get surprise(): string | undefined {
    return this.#surprise;
  }

  /** The functions, each of which a program that is awaited may call only if it leaves nothing behind. */
  guard(functions: HostFunctions): HostFunctions {
    return new Map([...functions].map(([module, make]) => [module, () => this.#guardAll(make())]));
  }

  #guardAll(functions: Readonly<Record<string, HostFunction>>): Readonly<Record<string, HostFunction>> {
    const guarded = Object.entries(functions).map(([name, run]) =>
      LEAVES_NOTHING_BEHIND.has(name) ? [name, run] : [name, this.#guarded(name, run)],
    );
    return Object.fromEntries(guarded);
  }

  #guarded(name: string, run: HostFunction): HostFunction {
    return (...args) => {
      if (this.#isAwaited) {
        this.#surprise ??= `calls ${name} before it reads its input`;
        throw new GuestStop('limit', this.#surprise);
      }
      return run(...args);
    };
  }

  /** The same imports, but that `fd_read` stops a program that is awaited. */
  guardRead(imports: WebAssembly.Imports): WebAssembly.Imports {
    for (const functions of Object.values(imports)) {
      const read = functions['fd_read'];
      if (typeof read === 'function') functions['fd_read'] = this.#stoppingRead(read as FdRead);
    }
    return imports;
  }

  #stoppingRead(read: FdRead): FdRead {
    return (descriptor, ...rest) => {
      if (this.#isAwaited && descriptor === STDIN) {
        // A second read: the program is past the trap of the first one, which cannot be.
        if (this.#isReached) this.#surprise = 'does not stop where it reads';
        this.#isReached = true;
        // A real trap: what the program could catch would let it run on.
        throw ABANDONMENT;
      }
      return read(descriptor, ...rest);
    };
  }
}
