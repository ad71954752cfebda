import type { KeyObject, X509Certificate } from 'node:crypto';
import type { TransparencyLogEntry } from '@sigstore/bundle';
import type { SignedEntity } from '@sigstore/verify';
import { messageOf } from '@portcullis/protocol';
import type { TrustRoot } from '../trust/trust-root.ts';
import { identityOf } from './certificate.ts';
import { logEntryKey } from './log-entry-key.ts';
import type { CertificateIdentity } from './signature.ts';
import { bytesEqual } from './signed-content.ts';
import { unproven } from './unproven.ts';

/** A signature with all that was sent along to prove who made it, and when. */
export interface Claim {
  readonly entries: readonly TransparencyLogEntry[];
  readonly certificate: X509Certificate | undefined;
  /** For the library; made only when there is something to prove. Its `signature` must compare and verify by the real content. */
  entity(): Promise<SignedEntity>;
}

/** By what the candidates for signatures of one image are judged. */
export interface EvidenceContext {
  /** Of the image: `sha256:…`. */
  readonly digest: string;
  /** `undefined` when there is none, or none is asked for. */
  trustRoot(): Promise<TrustRoot | undefined>;
  /** The bytes that `digest` is the digest of. */
  manifestBytes(): Promise<Uint8Array>;
  /** Tells the log why a signature that is kept proves less than it might. */
  remark(text: string): void;
}

/** What of a claim holds. */
export interface Proofs {
  /** The one key that the verified log entry speaks of: the signature counts for no other. */
  readonly signerKey: KeyObject | undefined;
  readonly integratedTimeMs: number | undefined;
  readonly identity: CertificateIdentity | undefined;
}

/** More entries than any signer sends; each costs a signature check. */
const MAX_LOG_ENTRIES = 4;

const NOTHING: Proofs = { signerKey: undefined, integratedTimeMs: undefined, identity: undefined };

/**
 * Judges a claim by the trust root. A certificate that does not hold gives no identity; the signature may still be one of a
 * known key.
 *
 * @throws ArtifactError `verification-failed` when a log entry does not hold, or speaks of something else
 */
export async function prove(claim: Claim, context: EvidenceContext): Promise<Proofs> {
  const { certificate, entries } = claim;
  if (entries.length === 0) {
    if (certificate !== undefined) context.remark('its certificate does not count: no log entry says when it was used');
    return NOTHING;
  }
  const root = await context.trustRoot();
  if (root === undefined || root.material.tlogs.length === 0) {
    if (certificate !== undefined) context.remark('its certificate does not count: no transparency log is known');
    return NOTHING;
  }
  if (entries.length > MAX_LOG_ENTRIES) throw unproven(`more than ${MAX_LOG_ENTRIES} log entries`);
  const signerKey = certificate?.publicKey ?? keyOfFirst(entries);
  for (const entry of entries) checkEntryKey(entry, signerKey, certificate?.raw);
  const entity = await claim.entity();
  await proveLogEntries(entity, root, signerKey);
  const identity = certificate && (await identityIfProven(entity, root, certificate, context));
  return { signerKey, integratedTimeMs: integratedTimeOf(entries), identity };
}

function keyOfFirst([entry]: readonly TransparencyLogEntry[]): KeyObject {
  if (entry === undefined) throw unproven('no log entry');
  return logEntryKey(entry.canonicalizedBody).key;
}

function checkEntryKey(entry: TransparencyLogEntry, key: KeyObject, certificate: Uint8Array | undefined): void {
  const found = logEntryKey(entry.canonicalizedBody);
  const isSame =
    certificate === undefined || found.certificate === undefined
      ? found.key.equals(key)
      : bytesEqual(found.certificate, certificate);
  if (!isSame) throw unproven('the log entry is about a signature of another key');
}

/**
 * Every entry must be the word of a known log and speak of exactly this signature: same payload, same signature, and the
 * signature verifies under the key of the entry. An entry of another signature proves nothing about this one.
 */
async function proveLogEntries(entity: SignedEntity, { material }: TrustRoot, signerKey: KeyObject): Promise<void> {
  const { Verifier } = await import('@sigstore/verify');
  const publicKey = () => ({ publicKey: signerKey, validFor: () => true });
  const thresholds = { tlogThreshold: 1, ctlogThreshold: 0, timestampThreshold: 0 };
  try {
    new Verifier({ ...material, publicKey }, thresholds).verify({
      ...entity,
      key: { $case: 'public-key', hint: '' },
      timestamps: [],
    });
  } catch (error) {
    throw unproven(`the log entry does not hold: ${reasonOf(error)}`, error);
  }
}

/** Only the promise of a log vouches for the time; an inclusion proof does not cover it. */
function integratedTimeOf(entries: readonly TransparencyLogEntry[]): number | undefined {
  const times = entries
    .filter((entry) => entry.inclusionPromise !== undefined)
    .map((entry) => Number(entry.integratedTime) * 1000)
    .filter((timeMs) => Number.isSafeInteger(timeMs) && timeMs > 0);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** A certificate that does not hold takes nothing from a signature by a known key. */
async function identityIfProven(
  entity: SignedEntity,
  root: TrustRoot,
  certificate: X509Certificate,
  context: EvidenceContext,
): Promise<CertificateIdentity | undefined> {
  try {
    const identity = identityOf(certificate.raw);
    await proveCertificate(entity, root);
    return identity;
  } catch (error) {
    context.remark(`its certificate does not count: ${reasonOf(error)}`);
    return undefined;
  }
}

/**
 * Chain to a certificate authority that was valid at each proven time, certificate valid at it, and the promise of a
 * certificate log when the root knows such logs (as cosign has it). The library's identity policy is not used: it takes
 * names for patterns.
 */
async function proveCertificate(entity: SignedEntity, { material }: TrustRoot): Promise<void> {
  if (material.certificateAuthorities.length === 0) throw unproven('the trust root has no certificate authority');
  const { Verifier } = await import('@sigstore/verify');
  const ctlogThreshold = material.ctlogs.length === 0 ? 0 : 1;
  new Verifier(material, { tlogThreshold: 1, ctlogThreshold, timestampThreshold: 1 }).verify(entity);
}

/** The library wraps the reason of a failed chain. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${messageOf(error)}: ${messageOf(cause)}` : messageOf(error);
}
