import type { Evaluation, GuestAnswer, GuestHost, GuestInput, GuestLimits, GuestOperation } from '../runtime.ts';
import { payloadFor } from '../guest/payload.ts';
import { guestCallFailure, limitFailure } from '../wapc/errors.ts';
import { thrownText } from './errors.ts';
import { evaluationTimers, type Instantiate, type PolicyExports } from './glue.ts';
import { type Ending, hostImports } from './imports.ts';

/** The world of a component is versioned: whoever implements this one speaks v1, without being asked. */
const PROTOCOL_VERSION = new TextEncoder().encode('"v1"');

/** A component as a thread has it. */
export interface ComponentGuest {
  readonly instantiate: Instantiate;
  readonly limits: GuestLimits;
  /** The control memory of the thread. */
  readonly control: Int32Array;
}

/** A new instance of the component, started and ready for its one call. */
export async function beginEvaluation(
  { instantiate, limits, control }: ComponentGuest,
  operation: GuestOperation,
  host: GuestHost,
): Promise<Evaluation> {
  const timers = evaluationTimers();
  const exceeded = Promise.withResolvers<string>();
  const ending: { -readonly [K in keyof Ending]: Ending[K] } = {
    ended: false,
    exceed(message) {
      ending.ended = true;
      exceeded.resolve(message);
    },
  };
  const guest = await instantiate(hostImports(host, { limits, control, ending }), timers);
  return {
    async call(input) {
      const answer = callGuest(guest, operation, input, limits.maxOutputBytes);
      const stopped = exceeded.promise.then((message) => limitFailure(operation, message));
      return Promise.race([answer, stopped]);
    },
    end() {
      ending.exceed('the evaluation was cut short');
      timers.clearAll();
    },
  };
}

async function callGuest(
  guest: PolicyExports,
  operation: GuestOperation,
  input: GuestInput,
  maxOutputBytes: number,
): Promise<GuestAnswer> {
  if (operation === 'protocol_version') return { kind: 'response', bytes: PROTOCOL_VERSION };
  try {
    const payload = payloadFor(operation, input);
    const answer = await (operation === 'validate' ? guest.validate(payload) : guest.validateSettings(payload));
    if (!ArrayBuffer.isView(answer))
      return guestCallFailure(operation, 'unsupported', 'the component did not answer with bytes');
    if (answer.byteLength > maxOutputBytes) return outputTooLarge(operation, answer.byteLength, maxOutputBytes);
    // A view over the same bytes that belongs to this realm.
    return { kind: 'response', bytes: new Uint8Array(answer.buffer, answer.byteOffset, answer.byteLength) };
  } catch (error) {
    return failureOf(operation, error, maxOutputBytes);
  }
}

/** The `err` of a result arrives as an error with a payload; everything else that is thrown is a trap. */
function failureOf(operation: GuestOperation, error: unknown, maxOutputBytes: number): GuestAnswer {
  if (typeof error !== 'object' || error === null || !Object.hasOwn(error, 'payload')) {
    return guestCallFailure(operation, 'trap', thrownText(error));
  }
  const text = thrownText((error as { payload: unknown }).payload);
  if (text.length > maxOutputBytes) return outputTooLarge(operation, text.length, maxOutputBytes);
  return guestCallFailure(operation, 'guest-error', text);
}

function outputTooLarge(operation: GuestOperation, bytes: number, maxBytes: number): GuestAnswer {
  return limitFailure(operation, `the policy's response of ${bytes} bytes exceeds the limit of ${maxBytes} bytes`);
}
