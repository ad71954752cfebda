import { messageOf } from '@portcullis/protocol';
import { ArtifactError } from '../../errors.ts';
import { readFileBounded, type FileReader } from '../../file.ts';
import { singleAttempt } from './single-attempt.ts';
import type { TrustRoot, TrustRootSource } from './trust-root.ts';

/** The public instance's, with all its retired logs and authorities, has 7 kB. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * The trust root a file brings along: a Sigstore `ClientTrustConfig` as JSON, of which only `trustedRoot` counts. The file
 * is read when it is first needed.
 */
export function trustRootFromConfig(
  path: string,
  readFile: FileReader = readFileBounded,
  nowMs: () => number = Date.now,
): TrustRootSource {
  return { trustRoot: singleAttempt(() => readTrustConfig(path, readFile), nowMs) };
}

async function readTrustConfig(path: string, readFile: FileReader): Promise<TrustRoot> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path, MAX_CONFIG_BYTES);
  } catch (error) {
    throw unavailable(`could not read Sigstore PKI file ${path}: ${readFailure(error)}`, error);
  }
  let trustedRoot: unknown;
  try {
    trustedRoot = trustedRootOf(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    if (trustedRoot !== undefined) return await trustRootFrom(trustedRoot);
  } catch (error) {
    throw unavailable(`could not parse Sigstore trust config file ${path}: ${messageOf(error)}`, error);
  }
  throw unavailable(
    `Sigstore PKI file ${path} missing trusted_root field – expected a ClientTrustConfig with a trustedRoot`,
  );
}

/** Protobuf JSON allows both spellings. */
function trustedRootOf(config: unknown): unknown {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new TypeError('expected a JSON object');
  }
  const root: unknown = 'trustedRoot' in config ? config.trustedRoot : 'trusted_root' in config && config.trusted_root;
  if (root === false || root === null) return undefined;
  // The library would read anything else as a root that trusts nobody.
  if (typeof root !== 'object' || Array.isArray(root)) throw new TypeError('trustedRoot: expected a JSON object');
  return root;
}

/** @throws when `json` is no trusted root: a certificate or key that cannot be read is an error, never left out */
export async function trustRootFrom(json: unknown): Promise<TrustRoot> {
  const { TrustedRoot } = await import('@sigstore/protobuf-specs');
  const { toTrustMaterial } = await import('@sigstore/verify');
  const root = TrustedRoot.fromJSON(json);
  const authorities = [...root.certificateAuthorities, ...root.timestampAuthorities];
  if (authorities.some(({ certChain }) => certChain === undefined)) {
    throw new TypeError('a certificate authority has no certificates');
  }
  const logs = [...root.tlogs, ...root.ctlogs];
  if (logs.some(({ publicKey, logId }) => publicKey?.rawBytes === undefined || logId === undefined)) {
    throw new TypeError('a log has no key, or no id');
  }
  return { material: toTrustMaterial(root) };
}

function readFailure(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
  const code = cause !== undefined && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'Os { code: 2, kind: NotFound, message: "No such file or directory" }';
  if (code === 'EACCES') return 'Os { code: 13, kind: PermissionDenied, message: "Permission denied" }';
  return messageOf(error);
}

function unavailable(message: string, cause?: unknown): ArtifactError {
  return new ArtifactError('trust-root-unavailable', message, { cause });
}
