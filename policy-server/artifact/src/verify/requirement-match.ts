import type { ArtifactLog } from '../log.ts';
import { certificateMismatch } from './certificate-match.ts';
import type { CertificateRequirement, PubKeyRequirement, SignatureRequirement } from './config/requirement.ts';
import type { CertificateIdentity, Signature } from './evidence/signature.ts';
import { quoted } from './evidence/unproven.ts';
import { parsePublicKey } from './public-key.ts';
import { githubMismatch, issuerMismatch } from './subject-match.ts';

/** Anything one can ask of a signature. */
export type Requirement = SignatureRequirement | CertificateRequirement;

export interface MatchContext {
  readonly log: ArtifactLog;
  readonly now: Date;
  /** Awaited between two signatures. */
  readonly turn: () => Promise<void>;
}

/** What keeps a signature from meeting a requirement; `undefined` when nothing does. */
type Mismatch = (signature: Signature) => string | undefined;

const TARGET = 'policy_fetcher::verify';

/** The signature that meets a requirement, or what each of them lacks. */
export type Match =
  | { readonly kind: 'met'; readonly signature: Signature }
  | { readonly kind: 'unmet'; readonly reasons: readonly string[] };

/**
 * Looks for the signature that meets a requirement: the one that was made by whom it asks for must carry its annotations, too.
 * (Two signatures that each meet one half prove nothing: anybody may add a signature beside an image.)
 */
export async function matchRequirement(
  requirement: Requirement,
  signatures: readonly Signature[],
  context: MatchContext,
): Promise<Match> {
  const reasons = new Set<string>();
  const signerMismatch = mismatchOf(requirement, context);
  for (const signature of signatures) {
    await context.turn();
    const reason = signerMismatch(signature) ?? annotationMismatch(signature, requirement, context.log);
    if (reason === undefined) return { kind: 'met', signature };
    context.log({ level: 'debug', target: TARGET, message: `Signature does not meet ${requirement.kind}: ${reason}` });
    reasons.add(reason);
  }
  return { kind: 'unmet', reasons: [...reasons] };
}

function mismatchOf(requirement: Requirement, { log, now }: MatchContext): Mismatch {
  switch (requirement.kind) {
    case 'pubKey':
      return keyMismatch(requirement, log);
    case 'genericIssuer':
      return ofIdentity((identity) => issuerMismatch(requirement, identity));
    case 'githubAction':
      return ofIdentity((identity) => githubMismatch(requirement, identity));
    case 'certificate':
      return certificateMismatch(requirement, now);
  }
}

function keyMismatch({ key: pem, owner }: PubKeyRequirement, log: ArtifactLog): Mismatch {
  const parsed = parsePublicKey(pem);
  if (parsed.kind === 'key') {
    return (signature) => (signature.isSignedBy(parsed.key) ? undefined : 'it does not verify with the key');
  }
  const message = `Cannot use a public key of the verification config: ${parsed.reason}`;
  log({ level: 'info', target: TARGET, message, ...(owner === undefined ? {} : { fields: { owner: quoted(owner) } }) });
  return () => 'the key cannot be used';
}

function ofIdentity(mismatch: (identity: CertificateIdentity) => string | undefined): Mismatch {
  return ({ identity }) =>
    identity === undefined ? 'it has no certificate that could be verified' : mismatch(identity);
}

function annotationMismatch(
  { annotations }: Signature,
  { annotations: required = new Map() }: Requirement,
  log: ArtifactLog,
): string | undefined {
  for (const [name, expected] of required) {
    const found = annotations.get(name);
    if (found === expected) continue;
    const annotation = quoted(name);
    const fields = { annotation, expected: quoted(expected), found: found === undefined ? 'none' : quoted(found) };
    log({ level: 'info', target: TARGET, message: 'Annotation not satisfied', fields });
    return `its annotation ${annotation} is ${fields.found}, not ${fields.expected}`;
  }
  return undefined;
}
