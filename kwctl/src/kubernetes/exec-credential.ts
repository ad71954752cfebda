import { execFile } from 'node:child_process';
import { isAbsolute, join } from 'node:path';
import { systemErrorText } from '@portcullis/artifact';
import { JsonError, messageOf, optional, readWithPaths, required, string, struct } from '@portcullis/protocol';
import type { Environment } from '../environment.ts';
import { KwctlError } from '../errors.ts';
import { printable } from '../output/log.ts';
import type { ExecConfig, Located } from './kubeconfig-file.ts';

/** What a credential plugin answered. */
export interface ExecCredential {
  readonly token?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

const PROTOCOLS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];
const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 2 ** 20;

const answerShape = struct('struct ExecCredential', {
  apiVersion: required(string),
  kind: required(string),
  status: required(
    struct('struct ExecCredentialStatus', {
      token: optional(string),
      clientCertificateData: optional(string),
      clientKeyData: optional(string),
    }),
  ),
});

/**
 * Asks the program a kubeconfig names for credentials, by the protocol of client-go's credential plugins. It is not given
 * a terminal.
 *
 * @param cluster - told to the program if it wants to know
 * @throws KwctlError `cluster-unusable`
 */
export async function execCredential(
  { value: config, folder }: Located<ExecConfig>,
  cluster: Readonly<Record<string, string | boolean>>,
  { env }: Environment,
): Promise<ExecCredential> {
  const { apiVersion = '', command = '', args = [] } = config;
  if (command === '') throw unusable('exec of the kubeconfig has no command');
  if (!PROTOCOLS.includes(apiVersion)) {
    throw unusable(
      `credential plugin '${command}': expected apiVersion ${PROTOCOLS.join(' or ')}, got '${apiVersion}'`,
    );
  }
  if (config.interactiveMode === 'Always') {
    throw unusable(`credential plugin '${command}' wants a terminal, which kwctl does not give it`);
  }
  const spec = { interactive: false, ...(config.provideClusterInfo === true && { cluster }) };
  const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec });
  const own = (config.env ?? []).flatMap(({ name, value = '' }) => (name === undefined ? [] : [[name, value]]));
  const path = command.includes('/') && !isAbsolute(command) ? join(folder, command) : command;
  const full = { ...env, ...Object.fromEntries(own), KUBERNETES_EXEC_INFO: info };
  return credentialIn(await output(path, { args, env: full, hint: config.installHint }), apiVersion, command);
}

interface Plugin {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** How to get the program where it is missing. */
  readonly hint: string | undefined;
}

function output(path: string, { args, env, hint }: Plugin): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env, timeout: TIMEOUT_MS, maxBuffer: MAX_ANSWER_BYTES, killSignal: 'SIGKILL' } as const;
    const child = execFile(path, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = printable(stderr.trim().slice(-500));
      const advice = hint !== undefined && error.code === 'ENOENT' ? ` – ${hint.slice(0, 500).toWellFormed()}` : '';
      const reason = (said === '' ? reasonOf(error) : said) + advice;
      reject(new KwctlError('cluster-unusable', `credential plugin '${path}' failed: ${reason}`, { cause: error }));
    });
    child.stdin?.on('error', () => {}).end();
  });
}

/** Its command line may carry secrets, and is not repeated. */
function reasonOf(error: Error & { code?: unknown; killed?: boolean }): string {
  if (typeof error.code === 'number') return `it ended with exit code ${error.code}`;
  if (error.killed === true && error.code !== 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return `it did not answer within ${TIMEOUT_MS / 1000} s`;
  }
  return systemErrorText(error);
}

function credentialIn(answer: string, apiVersion: string, command: string): ExecCredential {
  let read: ReturnType<typeof answerShape.read>;
  try {
    read = readWithPaths(answerShape, answer);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw unusable(`credential plugin '${command}' did not answer with an ExecCredential: ${messageOf(error)}`);
  }
  if (read.apiVersion !== apiVersion || read.kind !== 'ExecCredential') {
    throw unusable(`credential plugin '${command}': expected an ExecCredential of ${apiVersion}, got another answer`);
  }
  const { token, clientCertificateData: cert, clientKeyData: key } = read.status;
  if (token === undefined && cert === undefined) {
    throw unusable(`credential plugin '${command}' answered with neither a token nor a certificate`);
  }
  return { token, cert, key };
}

function unusable(message: string): KwctlError {
  return new KwctlError('cluster-unusable', message);
}
