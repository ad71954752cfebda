import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { jsonFrom } from '@portcullis/protocol';
import type { CapabilityHandler } from './backend.ts';
import { CapabilityError } from './errors.ts';

/** Resolves a host name to all its addresses, IPv4 and IPv6. */
export type HostResolver = (host: string) => Promise<readonly string[]>;

export interface DnsOptions {
  /** @default the resolver of the operating system, with /etc/hosts and search domains */
  readonly resolve?: HostResolver;
  /** @default 5000 */
  readonly timeoutMs?: number;
}

/** RFC 1035 §2.3.4 allows 253 characters in a name that is written out. */
const MAX_NAME_LENGTH = 253;

/** Handles `net/v1/dns_lookup_host`. */
export function createDnsHandler(options: DnsOptions = {}): CapabilityHandler<'DNSLookupHost'> {
  const resolve = options.resolve ?? systemResolver;
  const timeoutMs = options.timeoutMs ?? 5000;
  return async ({ host }, { signal }) => {
    if (host === '' || host.length > MAX_NAME_LENGTH || host.includes('\0')) {
      throw new CapabilityError('payload-invalid', 'cannot look up host: not a host name');
    }
    const ips = isIP(host) !== 0 ? [host] : await withDeadline(resolve(host), { host, signal, timeoutMs });
    return jsonFrom({ ips });
  };
}

async function systemResolver(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return Array.from(new Set(found.map(({ address }) => address)));
}

async function withDeadline(
  resolving: Promise<readonly string[]>,
  { host, signal, timeoutMs }: { host: string; signal: AbortSignal; timeoutMs: number },
): Promise<readonly string[]> {
  const { promise: cut, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new Error('the evaluation is over'));
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([resolving, cut]);
  } catch (error) {
    throw new CapabilityError('failed', `cannot look up host ${JSON.stringify(host)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
