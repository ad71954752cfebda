import type { Test } from 'tap';
import type { ArtifactLogRecord } from '../../log.ts';
import type { Proxies, Sources } from '../../sources/sources.ts';
import { createTransport } from '../create-transport.ts';
import type { Transport, TransportLimits, TransportOptions } from '../transport.ts';

export const NO_PROXIES: Proxies = { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined };

export interface TransportGiven extends Partial<Omit<TransportOptions, 'sources' | 'limits'>> {
  readonly insecure?: readonly string[];
  /** PEM of the authority for each host. */
  readonly authorities?: Readonly<Record<string, string>>;
  readonly fileProxies?: Proxies;
  readonly limits?: Partial<TransportLimits>;
}

export function openTransport(
  t: Test,
  given: TransportGiven = {},
): { transport: Transport; records: ArtifactLogRecord[] } {
  const { insecure = [], authorities = {}, fileProxies, ...rest } = given;
  const sources: Sources = {
    insecure: new Set(insecure),
    authorities: new Map(Object.entries(authorities).map(([host, pem]) => [host, [pem]])),
    proxies: fileProxies,
  };
  const records: ArtifactLogRecord[] = [];
  const transport = createTransport({
    proxies: NO_PROXIES,
    log: (record) => void records.push(record),
    systemAuthorities: [],
    ...rest,
    sources,
  });
  t.teardown(() => transport[Symbol.asyncDispose]());
  return { transport, records };
}

export const get = (transport: Transport, url: string, more: object = {}): ReturnType<Transport['request']> =>
  transport.request({ url: new URL(url), method: 'GET', ...more });

export async function getText(transport: Transport, url: string, more: object = {}): Promise<string> {
  return Buffer.from(await (await get(transport, url, more)).bytes(1_000_000)).toString();
}
