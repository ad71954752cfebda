import type { JsonValue } from '@portcullis/protocol';
import type { RequestOf } from '../../request.ts';
import { createCertificateHandler, type CertificateOptions } from '../certificate-handler.ts';
import { authority, leaf, NOW } from './pki.ts';

type Request = RequestOf<'CryptoIsCertificateTrusted'>['request'];
export type Encoded = Request['cert'];

export const der = ({ der: bytes }: { readonly der: Uint8Array }): Encoded => ({ encoding: 'Der', data: [...bytes] });
export const pem = (text: string): Encoded => ({ encoding: 'Pem', data: [...Buffer.from(text, 'latin1')] });
export const raw = (...data: number[]): Encoded => ({ encoding: 'Der', data });

export const root = authority({ subject: 'root' });
export const mid = authority({ subject: 'mid', issuer: 'root' });
export const end = leaf({ subject: 'end', issuer: 'mid' });
export const UNTRUSTED = 'Certificate is not trusted by the provided cert chain';

export async function ask(request: Request, options: CertificateOptions = {}): Promise<JsonValue> {
  const answer = createCertificateHandler({ now: () => NOW, ...options });
  return answer(
    { type: 'CryptoIsCertificateTrusted', request },
    { policyId: 'p', signal: new AbortController().signal },
  );
}

/** '' = trusted. */
export async function reasonOf(request: Request, options: CertificateOptions = {}): Promise<string> {
  const answer = await ask(request, options);
  if (!(answer instanceof Map)) throw new TypeError('an answer is an object');
  const [trusted, reason] = [answer.get('trusted'), answer.get('reason')];
  if (typeof reason !== 'string' || trusted !== (reason === ''))
    throw new TypeError('a reason is for those that are not trusted');
  return reason;
}
