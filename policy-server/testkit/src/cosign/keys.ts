import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCosign } from './cosign.ts';

/** A key pair as cosign keeps it, with an empty password. */
export interface CosignKeys {
  /** Path of the encrypted private key, for `--key`. */
  readonly privateKeyPath: string;
  /** Path of the public key. */
  readonly publicKeyPath: string;
  /** The public key, PEM. */
  readonly publicKey: string;
}

export interface CosignKeyOptions {
  /** Begin of both file names; `cosign` when absent. */
  readonly name?: string;
  /** A private key of another make (PEM: EC, Ed25519, RSA) to be taken over; a new P-256 key when absent. */
  readonly privateKey?: string;
}

/** Makes a key pair with cosign in `folder`, or takes one over. */
export async function createCosignKeys(folder: string, options: CosignKeyOptions = {}): Promise<CosignKeys> {
  const { name = 'cosign', privateKey } = options;
  await mkdir(folder, { recursive: true });
  const prefix = join(folder, name);
  if (privateKey === undefined) await runCosign(['generate-key-pair', '--output-key-prefix', prefix]);
  else {
    const plain = `${prefix}.plain.pem`;
    await writeFile(plain, privateKey, { mode: 0o600 });
    await runCosign(['import-key-pair', '--yes', '--key', plain, '--output-key-prefix', prefix]);
  }
  const publicKeyPath = `${prefix}.pub`;
  return { privateKeyPath: `${prefix}.key`, publicKeyPath, publicKey: await readFile(publicKeyPath, 'utf8') };
}
