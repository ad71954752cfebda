import { BlockList, isIP } from 'node:net';
import { ArtifactError } from '../errors.ts';
import type { Proxies } from '../sources/sources.ts';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' };

/**
 * The proxy through which `url` is reached; `undefined` = none.
 *
 * @throws ArtifactError `sources-invalid` for a proxy that is no URL. It may hold a password and is not shown.
 */
export function proxyFor(url: URL, proxies: Proxies): string | undefined {
  const configured = (url.protocol === 'https:' ? proxies.httpsProxy : proxies.httpProxy)?.trim();
  if (configured === undefined || configured === '' || bypassesProxy(url, proxies.noProxy ?? '')) return undefined;
  const text = configured.includes('://') ? configured : `http://${configured}`;
  if (isProxyUrl(text)) return text;
  throw new ArtifactError(
    'sources-invalid',
    `the proxy for ${url.protocol}// URLs is no proxy URL – expected http://host:port or https://host:port`,
  );
}

function isProxyUrl(text: string): boolean {
  const url = URL.parse(text);
  // Names and passwords are percent-encoded; one that is not cannot be sent.
  const isEncoded = url !== null && !/%(?![0-9A-Fa-f]{2})/.test(url.username + url.password);
  return isEncoded && url.hostname !== '' && (url.protocol === 'http:' || url.protocol === 'https:');
}

/**
 * Whether a list as in NO_PROXY names the host: `*`, addresses, networks (`10.0.0.0/8`), and domains, which stand for all
 * below them, with or without a leading dot. With a port, only that port.
 */
export function bypassesProxy(url: URL, noProxy: string): boolean {
  const host = bareHost(url.hostname);
  const port = url.port === '' ? DEFAULT_PORTS[url.protocol] : url.port;
  return noProxy.split(',').some((entry) => {
    const { name, port: wantedPort } = splitPort(entry.trim().toLowerCase());
    if (name === '' || (wantedPort !== undefined && wantedPort !== port)) return false;
    return name === '*' || (isIP(host) === 0 ? isWithinDomain(host, name) : isWithinNetwork(host, name));
  });
}

function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function splitPort(entry: string): { name: string; port: string | undefined } {
  if (isIP(entry) !== 0) return { name: entry, port: undefined };
  const match = /^(.*):([0-9]{1,5})$/.exec(entry);
  const name = match?.[1] ?? entry;
  // `fd00::/8`, `::1`: colons of an address are no port.
  const isPort = match !== null && (!name.includes(':') || name.startsWith('['));
  return { name: bareHost(isPort ? name : entry), port: isPort ? match[2] : undefined };
}

function isWithinDomain(host: string, name: string): boolean {
  const domain = name.replace(/^\*?\./, '');
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
}

function isWithinNetwork(host: string, name: string): boolean {
  const [address = '', bits] = name.split('/');
  const family = isIP(address);
  if (family === 0 || family !== isIP(host)) return false;
  const width = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? width : Number(bits);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > width) return false;
  const network = new BlockList();
  network.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return network.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
