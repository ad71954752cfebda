import type { Transport } from './transport.ts';

/** The same transport for those who have no time to wait as servers ask: they are told at once, and so can leave them alone. */
export function withoutWaiting(transport: Transport): Transport {
  return {
    request: (request) => transport.request({ ...request, maxRetries: 0 }),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
