import { EvaluationError } from '../../errors.ts';
import { type Callable, Guest, type GuestOutcome } from '../guest/guest.ts';
import { exportedFunction, instantiate } from '../guest/instance.ts';
import { linkImports } from '../guest/offer.ts';
import { CapturedOutput } from '../guest/output.ts';
import { payloadFor } from '../guest/payload.ts';
import { Stdin } from '../preview1/stdin.ts';
import type { System } from '../preview1/system.ts';
import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestLimits, GuestOperation } from '../runtime.ts';
import { guestCallFailure, limitFailure, NO_GUEST_CALL } from './errors.ts';
import { type Exchange, WAPC_OFFER, wapcFunctions } from './imports.ts';

/** What every instance of one module is made of. */
export interface WapcModule {
  readonly module: WebAssembly.Module;
  readonly imports: readonly WebAssembly.ModuleImportDescriptor[];
  readonly limits: GuestLimits;
}

/** In this order, each if exported: reactors, commands of TinyGo, guests of the Rust SDK. */
const START_CODE = ['_initialize', '_start', 'wapc_init'];

const encoder = new TextEncoder();

/**
 * One instance of a waPC policy for one evaluation.
 *
 * waPC: the host keeps operation and payload, calls `__guest_call` with their lengths, and the guest fetches them with
 * `__guest_request`; its answer is what `__guest_response` or `__guest_error` brought last.
 */
export class WapcInstance implements Evaluation {
  readonly #operation: GuestOperation;
  readonly #system: System;
  readonly #exchange: Exchange = { request: undefined, response: undefined, guestError: undefined };
  readonly #guestCall: Callable;
  readonly #exports: WebAssembly.Exports;

  private constructor(source: WapcModule, operation: GuestOperation, host: GuestHost) {
    const { maxOutputBytes } = source.limits;
    this.#operation = operation;
    this.#system = {
      guest: new Guest(host, source.limits),
      argv: [],
      stdin: new Stdin(),
      stdout: new CapturedOutput('standard output', maxOutputBytes),
      stderr: new CapturedOutput('standard error', maxOutputBytes),
    };
    const { guest } = this.#system;
    const linked = linkImports(guest, source.imports, WAPC_OFFER, wapcFunctions(this.#system, this.#exchange));
    this.#exports = instantiate(guest, source.module, linked);
    const guestCall = exportedFunction(this.#exports, '__guest_call');
    if (guestCall === undefined) throw new EvaluationError('module-invalid', NO_GUEST_CALL);
    this.#guestCall = guestCall;
  }

  /**
   * The one place where an instance comes to its image: a new one runs its start code. Recycling puts memory and globals of a
   * used instance back to what they are when this resolves.
   */
  static async atImage(source: WapcModule, operation: GuestOperation, host: GuestHost): Promise<WapcInstance> {
    const instance = new WapcInstance(source, operation, host);
    await instance.#start();
    return instance;
  }

  async call(input: GuestInput): Promise<GuestAnswer> {
    const operation = encoder.encode(this.#operation);
    const payload = payloadFor(this.#operation, input);
    // What start code left behind is no answer to this request.
    this.#exchange.request = { operation, payload };
    this.#exchange.response = undefined;
    this.#exchange.guestError = undefined;
    const outcome = await this.#system.guest.call(this.#guestCall, operation.length, payload.length);
    this.#logStreams();
    return this.#answerOf(outcome);
  }

  end(): void {
    this.#system.guest.abandon();
  }

  async #start(): Promise<void> {
    for (const name of START_CODE) {
      const run = exportedFunction(this.#exports, name);
      if (run === undefined) continue;
      const outcome = await this.#system.guest.call(run);
      const problem = startProblem(outcome);
      if (problem === undefined) continue;
      this.#logStreams();
      throw new EvaluationError('initialisation-failed', `cannot initialise the policy: ${name} ${problem}`);
    }
  }

  #answerOf(outcome: GuestOutcome): GuestAnswer {
    const operation = this.#operation;
    switch (outcome.kind) {
      case 'returned':
        return this.#answerOfReturn(outcome.value);
      case 'limit':
        return limitFailure(operation, outcome.message);
      case 'exit':
        return guestCallFailure(operation, 'exit', outcome.backtrace);
      case 'trap':
        // The backtrace goes to the client; why the guest trapped is for the operator.
        this.#system.guest.host.log('warn', `guest trapped: ${outcome.message}`);
        return guestCallFailure(operation, 'trap', outcome.backtrace);
    }
  }

  #answerOfReturn(value: unknown): GuestAnswer {
    const { response, guestError } = this.#exchange;
    if (value !== 0 && response !== undefined) return { kind: 'response', bytes: response };
    const missing =
      value === 0 ? 'No error message set for call failure' : 'No error message OR response set for call success';
    return guestCallFailure(this.#operation, 'guest-error', guestError ?? missing);
  }

  /** waPC has no streams: what toolchains print there (panics, say) goes where console output goes. */
  #logStreams(): void {
    const { guest, stdout, stderr } = this.#system;
    const printed = stdout.text();
    const complained = stderr.text();
    if (printed !== '') guest.host.log('info', printed);
    if (complained !== '') guest.host.log('warn', complained);
  }
}

function startProblem(outcome: GuestOutcome): string | undefined {
  switch (outcome.kind) {
    case 'returned':
      return undefined;
    case 'exit':
      // TinyGo: `_start` ends with proc_exit(0) and the instance stays usable.
      return outcome.exitCode === 0 ? undefined : `exited with code ${outcome.exitCode}`;
    case 'limit':
      return `was stopped: ${outcome.message}`;
    case 'trap':
      return `trapped: ${outcome.message}; ${outcome.backtrace}`;
  }
}
