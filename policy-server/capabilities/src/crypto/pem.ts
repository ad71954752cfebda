const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The DER of a certificate, or why there is none. */
export type PemReading =
  | { readonly kind: 'der'; readonly der: Uint8Array }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Reads the first certificate of a PEM text (RFC 7468 §5); whatever stands before and after it is passed over. */
export function firstCertificate(pem: Uint8Array): PemReading {
  const text = Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength).toString('latin1');
  const begin = lineStart(text, BEGIN);
  if (begin === -1) return { kind: 'invalid', reason: 'no items found' };
  const start = begin + BEGIN.length;
  const end = text.indexOf(END, start);
  if (end === -1) return { kind: 'invalid', reason: `section end ${JSON.stringify(END)} missing` };
  const base64 = text.slice(start, end).replace(/\s+/g, '');
  if (base64.length % 4 !== 0 || !BASE64.test(base64)) return { kind: 'invalid', reason: 'base64 decode error' };
  return { kind: 'der', der: new Uint8Array(Buffer.from(base64, 'base64')) };
}

function lineStart(text: string, marker: string): number {
  if (text.startsWith(marker)) return 0;
  const at = text.indexOf(`\n${marker}`);
  return at === -1 ? -1 : at + 1;
}
