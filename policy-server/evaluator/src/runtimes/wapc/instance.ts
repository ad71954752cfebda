import { EvaluationError } from '../../errors.ts';
import type { Callable, Guest, GuestOutcome } from '../guest/guest.ts';
import type { InstanceState } from '../guest/image.ts';
import type { ImagedInstance } from '../guest/imaged-instances.ts';
import { exportedFunction, instantiateLinked, type LinkedModule } from '../guest/instance.ts';
import { linkImports } from '../guest/offer.ts';
import { payloadParts, sizeOf } from '../guest/payload.ts';
import { deedOf, type System, systemFor } from '../preview1/system.ts';
import type { GuestAnswer, GuestHost, GuestInput, GuestOperation } from '../runtime.ts';
import { guestCallFailure, limitFailure, NO_GUEST_CALL } from './errors.ts';
import { type Exchange, WAPC_OFFER, wapcFunctions } from './imports.ts';

/** What every instance of one module is made of. */
export interface WapcModule extends LinkedModule {
  readonly imports: readonly WebAssembly.ModuleImportDescriptor[];
}

/** In this order, each if exported: reactors, commands of TinyGo, guests of the Rust SDK. */
const START_CODE = ['_initialize', '_start', 'wapc_init'];

const encoder = new TextEncoder();
const OPERATIONS: Readonly<Record<GuestOperation, Uint8Array>> = {
  validate: encoder.encode('validate'),
  validate_settings: encoder.encode('validate_settings'),
  protocol_version: encoder.encode('protocol_version'),
};

/**
 * One instance of a waPC policy. It serves one evaluation after the other if it is brought back to its image in between.
 *
 * waPC: the host keeps operation and payload, calls `__guest_call` with their lengths, and the guest fetches them with
 * `__guest_request`; its answer is what `__guest_response` or `__guest_error` brought last.
 */
export class WapcInstance implements ImagedInstance {
  readonly state: InstanceState | undefined;
  readonly guest: Guest;
  readonly #system: System;
  readonly #exchange: Exchange = { request: undefined, response: undefined, guestError: undefined };
  readonly #guestCall: Callable;
  readonly #startCode: readonly (readonly [name: string, run: Callable])[];

  /** No code of the guest has run. */
  constructor(source: WapcModule, memoryPages?: number) {
    this.#system = systemFor(source.thread);
    this.guest = this.#system.guest;
    this.guest.onReset(() => this.#exchangeRequest(undefined));
    const functions = wapcFunctions(this.#system, this.#exchange);
    const linked = linkImports(this.guest, source.imports, WAPC_OFFER, functions);
    const { exports, state } = instantiateLinked(this.guest, source, linked, memoryPages);
    const guestCall = exportedFunction(exports, '__guest_call');
    if (guestCall === undefined) throw new EvaluationError('module-invalid', NO_GUEST_CALL);
    this.#guestCall = guestCall;
    this.state = state;
    this.#startCode = startCodeOf(source, exports);
  }

  /** @throws EvaluationError `initialisation-failed` */
  async start(host: GuestHost): Promise<void> {
    this.guest.attach(host);
    for (const [name, run] of this.#startCode) {
      const problem = startProblem(await this.guest.call(run));
      if (problem === undefined) continue;
      this.#logStreams();
      throw new EvaluationError('initialisation-failed', `cannot initialise the policy: ${name} ${problem}`);
    }
  }

  /** What start code did that neither memory nor globals hold. */
  get surprise(): string | undefined {
    const deed = deedOf(this.#system);
    return deed === undefined ? undefined : `its start code ${deed}`;
  }

  async call(operation: GuestOperation, input: GuestInput): Promise<GuestAnswer> {
    const payload = payloadParts(operation, input);
    const name = OPERATIONS[operation];
    this.#exchangeRequest({ operation: name, payload });
    const outcome = await this.guest.call(this.#guestCall, name.length, sizeOf(payload));
    this.#logStreams();
    return this.#answerOf(operation, outcome);
  }

  /** What start code or an earlier evaluation left behind is no answer to this request. */
  #exchangeRequest(request: Exchange['request']): void {
    this.#exchange.request = request;
    this.#exchange.response = undefined;
    this.#exchange.guestError = undefined;
  }

  #answerOf(operation: GuestOperation, outcome: GuestOutcome): GuestAnswer {
    switch (outcome.kind) {
      case 'returned':
        return this.#answerOfReturn(operation, outcome.value);
      case 'limit':
        return limitFailure(operation, outcome.message);
      case 'exit':
        return guestCallFailure(operation, 'exit', outcome.backtrace);
      case 'trap':
        // The backtrace goes to the client; why the guest trapped is for the operator.
        this.guest.host.log('warn', `guest trapped: ${outcome.message}`);
        return guestCallFailure(operation, 'trap', outcome.backtrace);
    }
  }

  #answerOfReturn(operation: GuestOperation, value: unknown): GuestAnswer {
    const { response, guestError } = this.#exchange;
    if (value !== 0 && response !== undefined) return { kind: 'response', bytes: response };
    const missing =
      value === 0 ? 'No error message set for call failure' : 'No error message OR response set for call success';
    return guestCallFailure(operation, 'guest-error', guestError ?? missing);
  }

  /** waPC has no streams: what toolchains print there (panics, say) goes where console output goes. */
  #logStreams(): void {
    const { stdout, stderr } = this.#system;
    const printed = stdout.text();
    const complained = stderr.text();
    if (printed !== '') this.guest.host.log('info', printed);
    if (complained !== '') this.guest.host.log('warn', complained);
  }
}

/** A module's start function, which the link step made an export, comes before all else. */
function startCodeOf({ plan }: WapcModule, exports: WebAssembly.Exports): (readonly [string, Callable])[] {
  const first = plan.startFunction === undefined ? undefined : exportedFunction(exports, plan.startFunction);
  const named = START_CODE.flatMap((name) => {
    const run = exportedFunction(exports, name);
    return run === undefined ? [] : [[name, run] as const];
  });
  return first === undefined ? named : [['its start function', first], ...named];
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
