/** A target in absolute form (RFC 9112 §3.2.2): the scheme and the host, which say nothing here. */
const ORIGIN = /^https?:\/\/[^/?]*/;
const ADMISSION_PATH = /^\/(?:validate|audit|validate_raw)\/[^/?#]+(?:[?#]|$)/;

/**
 * A request target as the router is to see it: in origin form, its escapes made plain text. The id is decoded after routing and
 * not by the router, which would refuse `%zz` and split at an encoded slash.
 */
export function routablePath(target: string): string {
  const path = target.startsWith('/') ? target : target.replace(ORIGIN, '');
  return path.includes('%') ? path.replaceAll('%', '%25') : path;
}

/** Whether the admission API serves this target, if asked in the right way. */
export function isAdmissionPath(target: string): boolean {
  return ADMISSION_PATH.test(target.replace(ORIGIN, ''));
}

/** Nearly all ids: nothing to decode. */
const PLAIN_SEGMENT = /^[\x21-\x24\x26-\x7e]*$/;

/**
 * The policy id of a path segment. It is percent-decoded after routing, so `group%2Fmember` is one segment; escapes that are
 * none stay as they are. `undefined` when the bytes are not UTF-8.
 */
export function decodePolicyId(segment: string): string | undefined {
  if (PLAIN_SEGMENT.test(segment)) return segment;
  // Node hands out the request target as Latin-1: one character is one byte.
  const bytes: number[] = [];
  for (let index = 0; index < segment.length; index++) {
    const escape = segment[index] === '%' ? /^%[0-9a-f]{2}/i.exec(segment.slice(index, index + 3)) : null;
    if (escape === null) {
      bytes.push(segment.charCodeAt(index));
    } else {
      bytes.push(Number.parseInt(escape[0].slice(1), 16));
      index += 2;
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

const DURATION_UNITS_MS = new Map([
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]);

/**
 * How long the client will wait, from the query the API server appends (`?timeout=10s`, a Go duration); `undefined` when it
 * does not say, or says it in a way we do not read.
 */
export function clientTimeoutMs(target: string): number | undefined {
  const start = target.indexOf('?');
  if (start === -1) return undefined;
  const query = target.slice(start + 1);
  // One API server says the same for every request.
  if (query !== lastQuery.text) lastQuery = { text: query, timeoutMs: timeoutFrom(query) };
  return lastQuery.timeoutMs;
}

let lastQuery: { readonly text: string; readonly timeoutMs: number | undefined } = { text: '', timeoutMs: undefined };

function timeoutFrom(query: string): number | undefined {
  const text = new URLSearchParams(query).get('timeout') ?? '';
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h)){1,4}$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g)) {
    totalMs += Number(amount) * (DURATION_UNITS_MS.get(unit ?? '') ?? 0);
  }
  // Longer than a 32-bit timer can hold is as good as no limit.
  return totalMs > 0 && totalMs < 2 ** 31 ? totalMs : undefined;
}

const JSON_MEDIA_TYPE = /^application\/(?:json|[^\s;,/]+\+json)[ \t]*(?:;.*)?$/i;

/** `application/json` or `application/*+json`, with any parameters. */
export function isJsonContentType(contentType: string | undefined): boolean {
  if (contentType === 'application/json') return true;
  return contentType !== undefined && JSON_MEDIA_TYPE.test(contentType.trim());
}
