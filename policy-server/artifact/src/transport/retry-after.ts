/**
 * How long a server asks to be left alone, by `Retry-After` in seconds or as an HTTP date (RFC 9110 §10.2.3). A date is
 * measured against the server's own `Date`: two clocks that differ would make a second an hour.
 */
export function retryAfterMs(value: string | null, date: string | null): number | undefined {
  const text = value?.trim() ?? '';
  if (/^[0-9]{1,10}$/.test(text)) return Number(text) * 1000;
  const until = parseHttpDate(text);
  const now = parseHttpDate(date?.trim() ?? '');
  return until === undefined || now === undefined ? undefined : Math.max(0, until - now);
}

function parseHttpDate(text: string): number | undefined {
  if (!/^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(text)) return undefined;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
