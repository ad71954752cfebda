import { encodeUtf8 } from '@portcullis/protocol';
import type { CapabilitySession } from '../capabilities.ts';
import { CapabilityError } from '../errors.ts';
import type { CapabilityRequest } from '../request.ts';
import { debugRequest } from './debug-text.ts';
import { formatRequest } from './request-text.ts';
import type { Exchange } from './session-file.ts';

/** Answers host calls from a recorded session: strictly in order, each request equal to the recorded one. */
export class ReplaySession implements CapabilitySession {
  readonly #queue: Exchange[];

  constructor(exchanges: readonly Exchange[]) {
    this.#queue = [...exchanges];
  }

  /** What has not been asked for yet. */
  get remaining(): readonly Exchange[] {
    return this.#queue;
  }

  async exchange(request: CapabilityRequest): Promise<Uint8Array> {
    const next = this.#queue.shift();
    if (next === undefined) throw new CapabilityError('failed', 'the list of recorded responses is empty');
    if (formatRequest(next.request) !== formatRequest(request)) {
      throw new CapabilityError(
        'failed',
        `Replay error: unexpected request. Was expecting ${debugRequest(next.request)}, got ${debugRequest(request)} instead`,
      );
    }
    if (next.response.type === 'Error') throw new CapabilityError('failed', next.response.message);
    return encodeUtf8(next.response.payload);
  }
}
