import { EvaluationError } from '../../errors.ts';
import type { Callable, Guest, GuestOutcome } from '../guest/guest.ts';
import type { InstanceState } from '../guest/image.ts';
import type { ImagedInstance } from '../guest/imaged-instances.ts';
import { exportedFunction, instantiateLinked, type LinkedModule } from '../guest/instance.ts';
import { linkImports } from '../guest/offer.ts';
import { deedOf, systemFor } from '../preview1/system.ts';
import type { GuestAnswer, GuestHost, GuestOperation } from '../runtime.ts';
import { limitFailure, NO_START, programFailure } from './errors.ts';
import { FirstRead } from './first-read.ts';
import { WASI_OFFER, wasiFunctions, type WasiSystem } from './imports.ts';

/** What every instance of one module is made of. */
export interface WasiModule extends LinkedModule {
  readonly imports: readonly WebAssembly.ModuleImportDescriptor[];
}

/**
 * What Go's heap grows by when a program reads and answers a request of `LARGE_BYTES`; beyond that it takes the pool's large room.
 * Putting these pages back takes 30 µs.
 */
export const ROOM_PAGES = 16;
export const LARGE_BYTES = 32 * 1024;

const ACTIONS: Readonly<Record<GuestOperation, string>> = {
  validate: 'validate',
  validate_settings: 'validate-settings',
  protocol_version: 'protocol-version',
};

/** Functions of the program, as far as it has them. */
interface Entries {
  /** The module's start function, which the link step made an export. */
  readonly startFunction: Callable | undefined;
  readonly start: Callable;
  readonly read: Callable | undefined;
  readonly resume: Callable | undefined;
}

/**
 * One instance of a WASI policy: a program that reads its request from standard input and prints its response. It serves one
 * evaluation after the other if it is brought back to an image in between.
 */
export class WasiInstance implements ImagedInstance {
  readonly state: InstanceState | undefined;
  readonly guest: Guest;
  readonly firstRead = new FirstRead();
  readonly #system: WasiSystem;
  readonly #entries: Entries;

  /** No code of the program has run. */
  constructor(source: WasiModule, memoryPages?: number) {
    this.#system = { ...systemFor(source.thread), hostCallFailed: false };
    this.guest = this.#system.guest;
    const functions = this.firstRead.guard(wasiFunctions(this.#system));
    const linked = this.firstRead.guardRead(linkImports(this.guest, source.imports, WASI_OFFER, functions));
    const { exports, state } = instantiateLinked(this.guest, source, linked, memoryPages);
    this.#entries = entriesOf(source, exports);
    this.state = state;
  }

  /** Begins an evaluation. */
  attach(operation: GuestOperation, host: GuestHost): void {
    this.guest.attach(host);
    this.#system.argv = ['policy.wasm', ACTIONS[operation]];
    this.#system.hostCallFailed = false;
  }

  /**
   * Runs the module's start function, if it has one: a program has no other start code.
   *
   * @throws EvaluationError `initialisation-failed`
   */
  async initialise(): Promise<void> {
    const { startFunction } = this.#entries;
    if (startFunction === undefined) return;
    const outcome = await this.guest.call(startFunction);
    if (outcome.kind === 'returned') return;
    const problem = outcome.kind === 'exit' ? `it exited with code ${outcome.exitCode}` : outcome.message;
    throw new EvaluationError('initialisation-failed', `cannot instantiate the policy: ${problem}`);
  }

  /** Runs the program from its start to its end. */
  run(payload: Uint8Array): Promise<GuestOutcome> {
    this.#system.stdin.append(payload);
    return this.guest.call(this.#entries.start);
  }

  /** Runs the program from its start to its first read, which is not performed; see `firstRead` for whether it got there. */
  async toFirstRead(): Promise<GuestOutcome> {
    this.firstRead.await();
    try {
      return await this.guest.call(this.#entries.start);
    } finally {
      this.firstRead.settle();
    }
  }

  /** Runs a program that stands at its first read to its end. */
  async goOn(payload: Uint8Array): Promise<GuestOutcome> {
    const { read, resume } = this.#entries;
    if (read === undefined || resume === undefined)
      throw new EvaluationError('module-invalid', 'the module has no checkpoint to go on from');
    this.#system.stdin.append(payload);
    const reading = await this.guest.call(read, 0);
    return reading.kind === 'returned' ? this.guest.call(resume) : reading;
  }

  /**
   * Whether the instance may be brought back to an image after a run that ended like this. Exiting is how programs end: it unwinds
   * them entirely, and what it leaves in memory is put back.
   */
  isReusableAfter({ kind }: GuestOutcome): boolean {
    if (kind === 'exit') return !this.#system.hostCallFailed;
    return kind === 'returned' && this.guest.isReusable;
  }

  /** What the start function did that neither memory nor globals hold, or that does not hold for every operation. */
  get surprise(): string | undefined {
    const deed = this.#system.hasReadArguments === true ? 'reads its arguments' : deedOf(this.#system);
    return deed === undefined ? undefined : `its start function ${deed}`;
  }

  /** What the program printed. */
  get printed(): { readonly stdout: Uint8Array; readonly stderr: string } {
    const { stdout, stderr } = this.#system;
    return { stdout: stdout.bytes(), stderr: stderr.text() };
  }

  answerOf(operation: GuestOperation, outcome: GuestOutcome): GuestAnswer {
    const { stderr } = this.#system;
    switch (outcome.kind) {
      case 'returned':
        return this.#success();
      case 'exit':
        return outcome.exitCode === 0 ? this.#success() : programFailure('exit', stderr.text());
      case 'limit':
        return limitFailure(operation, outcome.message);
      case 'trap':
        // Standard error goes to the client; why and where the guest trapped is for the operator.
        this.guest.host.log('warn', `guest trapped: ${outcome.message}; ${outcome.backtrace}`);
        return programFailure('trap', stderr.text());
    }
  }

  #success(): GuestAnswer {
    const { stdout, stderr } = this.printed;
    if (stderr !== '') this.guest.host.log('warn', `stderr: ${stderr}`);
    return { kind: 'response', bytes: stdout };
  }
}

function entriesOf({ plan }: WasiModule, exports: WebAssembly.Exports): Entries {
  const named = (name: string | undefined): Callable | undefined =>
    name === undefined ? undefined : exportedFunction(exports, name);
  const start = named('_start');
  if (start === undefined) throw new EvaluationError('module-invalid', NO_START);
  const { startFunction, checkpoint } = plan;
  return {
    startFunction: named(startFunction),
    start,
    read: named(checkpoint?.read),
    resume: named(checkpoint?.resume),
  };
}
