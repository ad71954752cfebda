import type { HostCall } from '@portcullis/protocol';
import type { GuestHost, GuestInput, GuestLimits } from '../runtime.ts';

const encoder = new TextEncoder();

/** A host for tests: everything a guest asks of it is recorded, time stands still unless the guest sleeps. */
export class FakeHost implements GuestHost {
  readonly calls: HostCall[] = [];
  readonly logged: string[] = [];
  readonly sleptMs: number[] = [];
  /** Answers host calls; by default with the payload itself. */
  answer: (call: HostCall) => Promise<Uint8Array> = async (call) => call.payload;
  #passedNs = 0n;

  hostCall(call: HostCall): Promise<Uint8Array> {
    this.calls.push(call);
    return this.answer(call);
  }

  log(level: string, message: string): void {
    this.logged.push(`${level}: ${message}`);
  }

  nowNs(): bigint {
    return 1_700_000_000_000_000_000n + this.#passedNs;
  }

  monotonicNs(): bigint {
    return 5_000_000_000n + this.#passedNs;
  }

  randomFill(bytes: Uint8Array): void {
    bytes.fill(0xa5);
  }

  async sleep(ms: number): Promise<void> {
    this.sleptMs.push(ms);
    this.#passedNs += BigInt(Math.round(ms * 1e6));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export const TEST_LIMITS: GuestLimits = {
  memoryPages: 256,
  maxOutputBytes: 4096,
  maxHostCallBytes: 1024,
  maxHostCalls: 10,
};

export function inputOf(request: string, settings = '{}'): GuestInput {
  return { kind: 'kubernetes', request: encoder.encode(request), settings: encoder.encode(settings) };
}
