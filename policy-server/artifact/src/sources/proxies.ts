import type { Proxies } from './sources.ts';

/**
 * The proxies of the environment, as curl and its kin read it: upper case wins over lower case, an empty value is none.
 */
export function proxiesFromEnvironment(env: Readonly<Record<string, string | undefined>>): Proxies {
  const value = (name: string): string | undefined => {
    const text = (env[name.toUpperCase()] || env[name])?.trim();
    return text === '' ? undefined : text;
  };
  return {
    httpProxy: proxyUrl(value('http_proxy')),
    httpsProxy: proxyUrl(value('https_proxy')),
    noProxy: value('no_proxy'),
  };
}

/** `proxy:3128` means `http://proxy:3128`. */
export function proxyUrl(text: string | undefined): string | undefined {
  return text === undefined || text.includes('://') ? text : `http://${text}`;
}
