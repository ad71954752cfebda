import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ArtifactError,
  createPolicyVerifier,
  loadVerificationConfig,
  publicGoodTrustRoot,
  trustRootFromConfig,
  type PolicyVerifier,
  type TrustRootSource,
  type VerificationConfig,
} from '@portcullis/artifact';
import { formatImageReference } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../command-line/command.ts';
import { configFolder, type CommandContext, type Environment } from '../environment.ts';
import { readFile } from '../file.ts';
import type { Log } from '../output/log.ts';
import type { RegistryAccess } from './source.ts';
import { configFromFlags, hasVerificationFlags } from './verification-flags.ts';

const TARGET = 'kwctl::verify';
const TRUST_CONFIG = 'sigstore-trust-config';

/** What a command verifies policies with. Its errors begin as scripts know them: `Policy … cannot be validated`. */
export interface CommandVerifier extends PolicyVerifier {
  /** `warn` when nobody asked for verification on this command line: the user's own config must not break local files. */
  readonly unsignedFiles: 'refuse' | 'warn';
}

/**
 * Prepares the verification that the command line asks for, or the config in the user's folder; `undefined` when neither
 * does. No connection is made.
 *
 * @throws ArtifactError `verification-config-invalid` or, where a file has the trust root, `trust-root-unavailable`
 */
export async function openVerification(
  given: CommandArguments,
  context: CommandContext,
  access: Pick<RegistryAccess, 'client' | 'transport'>,
): Promise<CommandVerifier | undefined> {
  const found = await findConfig(given, context);
  if (found === undefined) return undefined;
  const { environment, log } = context;
  const trustRoot = trustRootSource(given, context, access);
  // Whoever names a file is told that it cannot be used, also where the signatures that are found do not need it.
  if (given.options.has(TRUST_CONFIG)) await trustRoot.trustRoot();
  const verifier = createPolicyVerifier({
    client: access.client,
    config: found.config,
    trustRoot,
    log,
    now: environment.now,
  });
  return { ...worded(verifier, log), unsignedFiles: found.unsignedFiles };
}

interface FoundConfig {
  readonly config: VerificationConfig;
  readonly unsignedFiles: 'refuse' | 'warn';
}

async function findConfig(
  given: CommandArguments,
  { environment, log }: CommandContext,
): Promise<FoundConfig | undefined> {
  const path = optionValue(given, 'verification-config-path');
  if (hasVerificationFlags(given)) {
    if (path === undefined) return { config: await configFromFlags(given, log), unsignedFiles: 'refuse' };
    throw new ArtifactError(
      'verification-config-invalid',
      'verification-config-path cannot be used in conjunction with other verification flags',
    );
  }
  if (path !== undefined) return { config: await loadVerificationConfig(path, readFile), unsignedFiles: 'refuse' };
  const ownPath = verificationConfigPath(environment);
  if (!(await mayExist(ownPath))) return undefined;
  log({ level: 'info', target: 'kwctl', message: 'Default verification config present, using it' });
  return { config: await loadVerificationConfig(ownPath, readFile), unsignedFiles: 'warn' };
}

/** Where the config lies that holds when a command line says nothing. */
export function verificationConfigPath(environment: Environment): string {
  return join(configFolder(environment), 'verification-config.yml');
}

/** The roots signatures are judged by: of `--sigstore-trust-config`, else those of the public Sigstore instance. */
export function trustRootSource(
  given: CommandArguments,
  { environment, log }: CommandContext,
  { transport }: Pick<RegistryAccess, 'transport'>,
): TrustRootSource {
  const path = optionValue(given, TRUST_CONFIG);
  if (path !== undefined) return trustRootFromConfig(path, readFile);
  const cacheFolder = join(configFolder(environment), 'fulcio_and_rekor_data');
  return publicGoodTrustRoot({ cacheFolder, transport, log });
}

function worded(verifier: PolicyVerifier, log: Log): PolicyVerifier {
  const say = (message: string): void => log({ level: 'info', target: TARGET, message });
  return {
    async verify(reference, options) {
      const verified = await verifier.verify(reference, options).catch((error: unknown) => {
        throw notValidated(`registry://${formatImageReference(reference)}`, error);
      });
      say('Policy successfully verified');
      return verified;
    },
    async checkFile(reference, digest, path) {
      const checked = await verifier.checkFile(reference, digest, path);
      say('Local checksum successfully verified');
      return checked;
    },
  };
}

/** The error of a policy whose signatures do not hold, or cannot be had. */
export function notValidated(uri: string, error: unknown): unknown {
  if (!(error instanceof ArtifactError) || error.code === 'aborted') return error;
  const { code, status, retryAfterMs, stage } = error;
  const message = `Policy ${uri} cannot be validated\n${error.message}`;
  return new ArtifactError(code, message, { cause: error, status, retryAfterMs, stage });
}

/** What cannot be looked at may be there: then reading it fails, and nothing passes without verification. */
async function mayExist(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
}
