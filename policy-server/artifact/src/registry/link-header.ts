/** No list of pages needs more; a parser of strangers' text works on no more. */
const MAX_LENGTH = 8192;
const LINK = /[ \t,]*<([^<>]*)>([^<>,]*)/y;
const NEXT = /;[ \t]*rel[ \t]*=[ \t]*"?(?:[^";]*[ \t])?next(?:[ \t][^";]*)?"?[ \t]*(?:;|$)/i;

/** The target of `rel=next` in a `Link` header (RFC 8288), as it stands there. */
export function nextLink(header: string | null): string | undefined {
  if (header === null || header.length > MAX_LENGTH) return undefined;
  LINK.lastIndex = 0;
  for (let found = LINK.exec(header); found !== null; found = LINK.exec(header)) {
    const [, target = '', parameters = ''] = found;
    if (NEXT.test(parameters)) return target;
  }
  return undefined;
}
