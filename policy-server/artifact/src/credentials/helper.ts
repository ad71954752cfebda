import { spawn } from 'node:child_process';
import { parseJson } from '@portcullis/protocol';
import type { Credential } from './credentials.ts';

/** How a credential helper ended. */
export interface HelperOutcome {
  /** `null` when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
}

/**
 * Runs `program get` with the address of a registry on stdin. Rejects when it cannot be started, takes too long or writes
 * too much.
 */
export type HelperRunner = (program: string, serverAddress: string) => Promise<HelperOutcome>;

const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 64 * 2 ** 10;
/** The name becomes part of a program's: nothing that leads elsewhere in the file system. */
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** What helpers answer for a registry they do not know, by the protocol of docker-credential-helpers. */
const NOT_FOUND = 'credentials not found in native keychain';
/** The user name that marks the secret as an identity token. */
const TOKEN_USERNAME = '<token>';

/** The program of a helper; `undefined` when the name is none. */
export function helperProgram(name: string): string | undefined {
  return HELPER_NAME.test(name) ? `docker-credential-${name}` : undefined;
}

/** {@link HelperRunner} with a child process: no shell, 30 seconds, 64 KiB. */
export async function runCredentialHelper(
  program: string,
  serverAddress: string,
  timeoutMs: number = TIMEOUT_MS,
): Promise<HelperOutcome> {
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const giveUp = (reason: string): void => {
      child.kill('SIGKILL');
      // A grandchild may hold the pipe open for as long as it likes.
      child.stdout.destroy();
      child.stdin.destroy();
      child.unref();
      reject(new Error(reason));
    };
    const timer = setTimeout(() => giveUp(`it took longer than ${timeoutMs / 1000} s`), timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_OUTPUT_BYTES) giveUp(`it wrote more than ${MAX_OUTPUT_BYTES} bytes`);
      else chunks.push(chunk);
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout: Buffer.concat(chunks).toString('utf8') });
    });
    // A helper that does not read its input has closed the pipe already.
    child.stdin.on('error', () => {});
    child.stdin.end(serverAddress);
  });
}

/**
 * The credential a helper answered with; `undefined` when it knows none.
 *
 * @throws Error whose message quotes nothing the helper wrote: it may be the secret
 */
export function credentialFromHelper({ exitCode, stdout }: HelperOutcome): Credential | undefined {
  if (exitCode !== 0) {
    if (stdout.trim() === NOT_FOUND) return undefined;
    throw new Error(exitCode === null ? 'it was ended by a signal' : `it failed with exit code ${exitCode}`);
  }
  const { username, secret } = answerOf(stdout);
  if (secret === '') return undefined;
  if (username === TOKEN_USERNAME) return { kind: 'identity-token', token: secret };
  return { kind: 'basic', username, password: secret };
}

function answerOf(stdout: string): { username: string; secret: string } {
  const wrong = new Error('its answer is not {"Username": "…", "Secret": "…"}');
  let answer: unknown;
  try {
    answer = parseJson(stdout);
  } catch {
    throw wrong;
  }
  if (!(answer instanceof Map)) throw wrong;
  const username: unknown = answer.get('Username');
  const secret: unknown = answer.get('Secret');
  if (typeof username !== 'string' || typeof secret !== 'string') throw wrong;
  return { username, secret };
}
