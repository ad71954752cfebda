import { systemErrorText } from '@portcullis/artifact';
import type { SecureContextOptions } from 'node:tls';
import { readBounded } from '../../bounded-file.ts';
import { ServerError } from '../../errors.ts';
import { parseAuthorities, parseKeyPair, type KeyPair } from './pem.ts';

/** Where certificates and keys are; CA files present = clients must present a certificate (mTLS). */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFiles: readonly string[];
}

/** What is, or could be, in force. */
export interface TlsMaterial {
  readonly pair: KeyPair;
  readonly authorities: readonly string[];
}

const MAX_PEM_BYTES = 4 * 1024 * 1024;

export async function loadKeyPair({ certFile, keyFile }: TlsFiles): Promise<KeyPair> {
  const [certificates, key] = await Promise.all([readPem(certFile), readPem(keyFile)]);
  return parseKeyPair(certificates, key);
}

/** All client CAs of all files together. Not one usable certificate is an error: nobody could connect. */
export async function loadAuthorities(
  { clientCaFiles }: TlsFiles,
  onOddity: (file: string, text: string) => void,
): Promise<readonly string[]> {
  const authorities: string[] = [];
  for (const file of clientCaFiles) {
    const { certificates, skipped, intermediates } = parseAuthorities(await readPem(file));
    if (skipped > 0) onOddity(file, `${skipped} client CA certificates cannot be parsed and are skipped`);
    if (intermediates > 0) {
      onOddity(
        file,
        `${intermediates} client CA certificates are intermediates: they count only with their root listed too`,
      );
    }
    authorities.push(...certificates);
  }
  if (clientCaFiles.length > 0 && authorities.length === 0) {
    const files = clientCaFiles.join(', ');
    throw new ServerError('tls-invalid', `no usable client CA certificate – expected at least one in ${files}`);
  }
  return authorities;
}

/** Options of a TLS context. Only the listed CAs vouch for clients, never the system's. */
export function secureContextOptions({ pair, authorities }: TlsMaterial): SecureContextOptions {
  const base = { cert: pair.certificates, key: pair.key, minVersion: 'TLSv1.2' } as const;
  return authorities.length === 0 ? base : { ...base, ca: [...authorities] };
}

async function readPem(path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await readBounded(path, MAX_PEM_BYTES));
  } catch (error) {
    throw new ServerError('tls-invalid', `cannot read ${path}: ${systemErrorText(error)}`, { cause: error });
  }
}
