import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyPair } from '../api-server/certificates.ts';
import { runCommand } from '../tools/command.ts';

/** Kinds of keys that sign code. */
export type KeyAlgorithm = 'ecdsa-p256' | 'ecdsa-p384' | 'rsa' | 'ed25519';

export interface OpensslCertificate {
  readonly commonName: string;
  readonly algorithm: KeyAlgorithm;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Lines of an extension section, as `x509v3_config(5)` has them. */
  readonly extensions: readonly string[];
  /** Signs itself when absent. */
  readonly issuer?: KeyPair;
}

/** A certificate made and signed by the real openssl, with a new key. */
export async function opensslCertificate(wanted: OpensslCertificate): Promise<KeyPair> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-openssl-'));
  try {
    const key = newKey(wanted.algorithm);
    const files = { 'ca.cnf': config(wanted), 'new.key': key, 'index.txt': '' };
    const issuer = wanted.issuer === undefined ? {} : { 'ca.crt': wanted.issuer.cert, 'ca.key': wanted.issuer.key };
    for (const [name, content] of Object.entries({ ...files, ...issuer }))
      await writeFile(join(folder, name), content, { mode: 0o600 });
    const openssl = (...args: string[]): Promise<string> => runCommand('openssl', args, { cwd: folder });
    const subject = `/O=portcullis.test/CN=${wanted.commonName}`;
    await openssl('req', '-new', '-key', 'new.key', '-subj', subject, '-config', 'ca.cnf', '-out', 'new.csr');
    const signer =
      wanted.issuer === undefined ? ['-selfsign', '-keyfile', 'new.key'] : ['-keyfile', 'ca.key', '-cert', 'ca.crt'];
    const dates = ['-startdate', digits(wanted.notBefore), '-enddate', digits(wanted.notAfter)];
    const quiet = ['-batch', '-notext', '-config', 'ca.cnf'];
    await openssl('ca', ...quiet, ...signer, ...dates, '-in', 'new.csr', '-out', 'new.crt');
    return { cert: await readFile(join(folder, 'new.crt'), 'utf8'), key };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A new private key, PKCS#8 PEM. */
export function newKey(algorithm: KeyAlgorithm): string {
  const { privateKey } = {
    'ecdsa-p256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    'ecdsa-p384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ed25519: () => generateKeyPairSync('ed25519'),
  }[algorithm]();
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function config({ extensions }: OpensslCertificate): string {
  return `
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
default_md = default
policy = anything
rand_serial = yes
x509_extensions = extensions
unique_subject = no
[anything]
organizationName = supplied
commonName = supplied
[req]
distinguished_name = empty
[empty]
[extensions]
${extensions.join('\n')}
`;
}

function digits(date: Date): string {
  return `${date.toISOString().replace(/[-:T]|\.\d+Z/g, '')}Z`;
}
