import { ArtifactError, type SignatureRequirement, type VerificationConfig } from '@portcullis/artifact';
import { decodeUtf8, messageOf } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../command-line/command.ts';
import { readFile } from '../file.ts';
import type { Log } from '../output/log.ts';

/** Public keys have a few hundred bytes. */
const MAX_KEY_BYTES = 64 * 1024;

const FLAGS = [
  'verification-key',
  'verification-annotation',
  'cert-email',
  'cert-oidc-issuer',
  'github-owner',
  'github-repo',
];

/** True when the command line itself says who must have signed. */
export function hasVerificationFlags(given: CommandArguments): boolean {
  return FLAGS.some((id) => given.options.has(id));
}

/**
 * The config that the verification flags stand for: everything they name must be met, with all annotations.
 *
 * @throws ArtifactError `verification-config-invalid`
 */
export async function configFromFlags(given: CommandArguments, log: Log): Promise<VerificationConfig> {
  const keyPaths = given.options.get('verification-key') ?? [];
  checkCombination(given, keyPaths);
  const annotations = readAnnotations(given.options.get('verification-annotation'), log);
  const allOf: SignatureRequirement[] = [];
  const issuer = optionValue(given, 'cert-oidc-issuer');
  const email = optionValue(given, 'cert-email');
  if (issuer !== undefined && email !== undefined) {
    allOf.push({ kind: 'genericIssuer', issuer, subject: { kind: 'equal', value: email }, annotations });
  }
  const owner = optionValue(given, 'github-owner');
  if (owner !== undefined) {
    allOf.push({ kind: 'githubAction', owner, repo: optionValue(given, 'github-repo'), annotations });
  }
  for (const path of keyPaths) {
    allOf.push({ kind: 'pubKey', owner: undefined, key: await readKey(path), annotations });
  }
  return { allOf, anyOf: undefined };
}

function checkCombination({ options }: CommandArguments, keyPaths: readonly string[]): void {
  const hasSigner =
    keyPaths.length > 0 || ['cert-email', 'cert-oidc-issuer', 'github-owner'].some((id) => options.has(id));
  if (!hasSigner && options.has('verification-annotation')) {
    throw invalid('Intending to verify annotations, but no verification keys, OIDC issuer or GitHub owner were passed');
  }
  if (options.has('github-repo') && !options.has('github-owner')) {
    throw invalid(
      'Intending to verify GitHub actions signature, but the repository owner is missing: pass --github-owner',
    );
  }
  if (options.has('cert-email') !== options.has('cert-oidc-issuer')) {
    throw invalid(
      'Intending to verify OIDC issuer, but no email or issuer were provided: pass --cert-email and --cert-oidc-issuer together',
    );
  }
}

/** `key=value`, cut at the first `=`; of the same key given twice, the last counts. */
function readAnnotations(texts: readonly string[] | undefined, log: Log): ReadonlyMap<string, string> | undefined {
  const annotations = new Map<string, string>();
  for (const text of texts ?? []) {
    const at = text.indexOf('=');
    if (at > 0) annotations.set(text.slice(0, at), text.slice(at + 1));
    else {
      const message = 'Annotation ignored: it is not of the form KEY=VALUE';
      log({ level: 'warn', target: 'kwctl', message, fields: { annotation: JSON.stringify(text) } });
    }
  }
  return annotations.size === 0 ? undefined : annotations;
}

async function readKey(path: string): Promise<string> {
  try {
    return decodeUtf8(await readFile(path, MAX_KEY_BYTES));
  } catch (error) {
    throw invalid(`could not read file ${path}: ${readFailure(error)}`, error);
  }
}

/** A missing file in the words upstream has for it. */
function readFailure(error: unknown): string {
  const cause = error instanceof ArtifactError ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'Os { code: 2, kind: NotFound, message: "No such file or directory" }';
  if (code === 'EACCES') return 'Os { code: 13, kind: PermissionDenied, message: "Permission denied" }';
  return messageOf(error);
}

function invalid(message: string, cause?: unknown): ArtifactError {
  return new ArtifactError('verification-config-invalid', message, { cause });
}
