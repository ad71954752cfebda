/** How a registry wants to be shown who is asking. */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined };

/** No real challenge is longer; a parser of strangers' text works on no more. */
const MAX_LENGTH = 8192;

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PARAMETER = new RegExp(`[ \\t,]*(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))`, 'y');
const SCHEME = new RegExp(`[ \\t,]*(${TOKEN})(?=[ \\t,]|$)`, 'y');
const TOKEN68 = /[ \t]+[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y;

interface Offer {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads `WWW-Authenticate` (RFC 9110 §11.6.1), which may offer several schemes. Bearer with a realm is preferred; any other
 * scheme is answered with Basic, as registries expect. `undefined` when nothing is asked for.
 */
export function parseChallenge(header: string | null): Challenge | undefined {
  if (header === null || header.trim() === '' || header.length > MAX_LENGTH) return undefined;
  const offers = parseOffers(header);
  for (const { scheme, parameters } of offers) {
    const realm = parameters.get('realm');
    if (scheme === 'bearer' && realm !== undefined && realm !== '') {
      return { scheme: 'bearer', realm, service: parameters.get('service') };
    }
  }
  const isBearerOnly = offers.length > 0 && offers.every(({ scheme }) => scheme === 'bearer');
  return isBearerOnly ? undefined : { scheme: 'basic' };
}

function parseOffers(header: string): Offer[] {
  const offers: Offer[] = [];
  let at = 0;
  for (;;) {
    const scheme = matchAt(SCHEME, header, at);
    if (scheme === undefined) return offers;
    at = scheme.end;
    at = matchAt(TOKEN68, header, at)?.end ?? at;
    const parameters = new Map<string, string>();
    for (let found = matchAt(PARAMETER, header, at); found !== undefined; found = matchAt(PARAMETER, header, at)) {
      const [, name = '', quoted, plain = ''] = found.groups;
      const value = quoted?.replace(/\\(.)/gs, '$1') ?? plain;
      // Of a parameter said twice the first counts: what is smuggled in behind it does not.
      if (!parameters.has(name.toLowerCase())) parameters.set(name.toLowerCase(), value);
      at = found.end;
    }
    offers.push({ scheme: (scheme.groups[1] ?? '').toLowerCase(), parameters });
  }
}

function matchAt(
  pattern: RegExp,
  text: string,
  at: number,
): { groups: readonly (string | undefined)[]; end: number } | undefined {
  pattern.lastIndex = at;
  const groups = pattern.exec(text);
  return groups === null ? undefined : { groups, end: pattern.lastIndex };
}
