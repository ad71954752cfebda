import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How a credential helper of Docker behaves. */
export interface CredentialHelperOptions {
  /** Server as the client asks for it → answer. A user of `<token>` makes the secret an identity token. */
  readonly credentials?: Readonly<Record<string, { readonly user: string; readonly secret: string }>>;
  /** Printed whatever is asked, in place of an answer. */
  readonly output?: string;
  /** Printed besides, on standard error. */
  readonly stderr?: string;
  /** Default 0 for what is known, 1 otherwise. */
  readonly exitCode?: number;
  /** How long it thinks first. */
  readonly delaySeconds?: number;
}

/** A helper program made by a test. */
export interface CredentialHelper {
  /** `docker-credential-<name>`, executable. */
  readonly path: string;
  /** Folder for PATH. */
  readonly folder: string;
  /** One line per call: verb and server. */
  calls(): Promise<readonly string[]>;
}

/** Writes `docker-credential-<name>` into `folder`: a program that speaks Docker's credential helper protocol. */
export async function createCredentialHelper(
  folder: string,
  name: string,
  options: CredentialHelperOptions = {},
): Promise<CredentialHelper> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `docker-credential-${name}`);
  const log = `${path}.log`;
  await writeFile(log, '');
  await writeFile(path, script(log, options), { mode: 0o755 });
  const calls = async (): Promise<string[]> => (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '');
  return { path, folder, calls };
}

function script(log: string, options: CredentialHelperOptions): string {
  const { credentials = {}, output, stderr, exitCode, delaySeconds } = options;
  const lines = ['#!/bin/sh', 'IFS= read -r server', `printf '%s %s\\n' "$1" "$server" >> ${quoted(log)}`];
  if (delaySeconds !== undefined) lines.push(`sleep ${delaySeconds}`);
  if (stderr !== undefined) lines.push(`printf '%s\\n' ${quoted(stderr)} >&2`);
  if (output !== undefined) lines.push(`printf '%s' ${quoted(output)}`, `exit ${exitCode ?? 0}`);
  lines.push('case "$server" in');
  for (const [server, { user, secret }] of Object.entries(credentials)) {
    const answer = JSON.stringify({ ServerURL: server, Username: user, Secret: secret });
    lines.push(`${quoted(server)}) printf '%s\\n' ${quoted(answer)}; exit ${exitCode ?? 0};;`);
  }
  // Docker's helpers say so on standard output.
  lines.push('esac', "printf '%s\\n' 'credentials not found in native keychain'", `exit ${exitCode ?? 1}`);
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
