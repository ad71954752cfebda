import { decodeUtf8 } from '@portcullis/protocol';
import type { CapabilitySession } from '../capabilities.ts';
import { errorChain } from '../errors.ts';
import type { CapabilityRequest } from '../request.ts';
import type { Exchange, ExchangeResponse } from './session-file.ts';

interface Entry {
  readonly request: CapabilityRequest;
  response: ExchangeResponse | undefined;
}

/** Passes host calls on and keeps what was asked and answered, in the order of the questions. */
export class RecordSession implements CapabilitySession {
  readonly #entries: Entry[] = [];

  /** What is recorded so far; a question that is still open is left out. */
  get exchanges(): readonly Exchange[] {
    return this.#entries.flatMap(({ request, response }) => (response === undefined ? [] : [{ request, response }]));
  }

  async exchange(request: CapabilityRequest, ask: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const entry: Entry = { request, response: undefined };
    this.#entries.push(entry);
    try {
      const answer = await ask();
      entry.response = { type: 'Success', payload: decodeUtf8(answer) };
      return answer;
    } catch (error) {
      entry.response = { type: 'Error', message: errorChain(error) };
      throw error;
    }
  }
}
