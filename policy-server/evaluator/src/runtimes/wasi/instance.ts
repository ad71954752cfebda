import { EvaluationError } from '../../errors.ts';
import { type Callable, Guest, type GuestOutcome } from '../guest/guest.ts';
import { exportedFunction, instantiateLinked, type LinkedModule } from '../guest/instance.ts';
import { linkImports } from '../guest/offer.ts';
import { CapturedOutput } from '../guest/output.ts';
import { payloadFor } from '../guest/payload.ts';
import { Stdin } from '../preview1/stdin.ts';
import type { System } from '../preview1/system.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import { limitFailure, NO_START, programFailure, PROTOCOL_VERSION_UNSUPPORTED } from './errors.ts';
import { WASI_OFFER, wasiFunctions } from './imports.ts';

/** What every instance of one module is made of. */
export interface WasiModule extends LinkedModule {
  readonly imports: readonly WebAssembly.ModuleImportDescriptor[];
}

const ACTIONS: Readonly<Record<GuestOperation, string>> = {
  validate: 'validate',
  validate_settings: 'validate-settings',
  protocol_version: 'protocol-version',
};

/** One run of a WASI policy: a program that reads its request from standard input and prints its response. */
export class WasiInstance implements Evaluation {
  readonly #operation: GuestOperation;
  readonly #system: System;
  /** The module's start function, which the link step made an export. */
  readonly #startFunction: Callable | undefined;
  readonly #start: Callable;

  private constructor(source: WasiModule, operation: GuestOperation, host: GuestHost) {
    const { maxOutputBytes } = source.thread.limits;
    this.#operation = operation;
    this.#system = {
      guest: new Guest(host, source.thread.limits, source.thread.control),
      argv: ['policy.wasm', ACTIONS[operation]],
      stdin: new Stdin(),
      stdout: new CapturedOutput('standard output', maxOutputBytes),
      stderr: new CapturedOutput('standard error', maxOutputBytes),
    };
    const { guest } = this.#system;
    const linked = linkImports(guest, source.imports, WASI_OFFER, wasiFunctions(this.#system));
    const { exports } = instantiateLinked(guest, source, linked);
    const { startFunction } = source.plan;
    this.#startFunction = startFunction === undefined ? undefined : exportedFunction(exports, startFunction);
    const start = exportedFunction(exports, '_start');
    if (start === undefined) throw new EvaluationError('module-invalid', NO_START);
    this.#start = start;
  }

  /**
   * The one place where an instance comes to its image. A command has no start code apart from its program, so today the image
   * is the new instance and `call` runs all of `_start`. A checkpoint would lie at the program's first read of standard input:
   * nothing of the request has been seen by then, and `call` would carry on from there.
   */
  static async atImage(source: WasiModule, operation: GuestOperation, host: GuestHost): Promise<WasiInstance> {
    const instance = new WasiInstance(source, operation, host);
    await instance.#runStartFunction();
    return instance;
  }

  async #runStartFunction(): Promise<void> {
    if (this.#startFunction === undefined) return;
    const outcome = await this.#system.guest.call(this.#startFunction);
    if (outcome.kind === 'returned') return;
    const problem = outcome.kind === 'exit' ? `it exited with code ${outcome.exitCode}` : outcome.message;
    throw new EvaluationError('initialisation-failed', `cannot instantiate the policy: ${problem}`);
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    if (this.#operation === 'protocol_version') return PROTOCOL_VERSION_UNSUPPORTED;
    const { guest, stdin } = this.#system;
    stdin.append(payloadFor(this.#operation, input));
    return this.#answerOf(await guest.call(this.#start));
  }

  end(): void {
    this.#system.guest.abandon();
  }

  #answerOf(outcome: GuestOutcome): GuestAnswer {
    const { guest, stderr } = this.#system;
    switch (outcome.kind) {
      case 'returned':
        return this.#success();
      case 'exit':
        return outcome.exitCode === 0 ? this.#success() : programFailure('exit', stderr.text());
      case 'limit':
        return limitFailure(this.#operation, outcome.message);
      case 'trap':
        // Standard error goes to the client; why and where the guest trapped is for the operator.
        guest.host.log('warn', `guest trapped: ${outcome.message}; ${outcome.backtrace}`);
        return programFailure('trap', stderr.text());
    }
  }

  #success(): GuestAnswer {
    const { guest, stdout, stderr } = this.#system;
    const complaint = stderr.text();
    if (complaint !== '') guest.host.log('warn', `stderr: ${complaint}`);
    return { kind: 'response', bytes: stdout.bytes() };
  }
}
