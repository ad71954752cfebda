import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import { requirementYaml } from './config/requirement-yaml.ts';
import type { VerificationConfig } from './config/requirement.ts';
import type { Signature, SignatureEvidence } from './evidence/signature.ts';
import { matchRequirement, type MatchContext, type Requirement } from './requirement-match.ts';
import { createTurns } from './turns.ts';

/** A requirement, and the signature that meets it. */
export interface MetRequirement<R extends Requirement = Requirement> {
  readonly list: 'allOf' | 'anyOf';
  readonly requirement: R;
  readonly signature: Signature;
}

export interface JudgeOptions {
  readonly log: ArtifactLog;
  readonly now: Date;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Decides whether the signatures of an image are those that a config asks for. Several requirements may be met by the same
 * signature: entries are counted, not signers.
 *
 * @returns which signature meets which requirement
 * @throws UnmetRequirements
 */
export async function judge<R extends Requirement>(
  config: VerificationConfig<R>,
  { signatures }: SignatureEvidence,
  { log, now, signal }: JudgeOptions,
): Promise<readonly MetRequirement<R>[]> {
  const { allOf = [], anyOf } = config;
  requireAnything(config);
  const context: MatchContext = { log, now, turn: createTurns(signal) };
  const all = await matchAll('allOf', allOf, { signatures, context });
  if (all.unmet.length > 0) throw new UnmetRequirements('missing signatures', all.unmet);
  if (anyOf === undefined) return all.met;
  const any = await matchAll('anyOf', anyOf.signatures, { signatures, context });
  if (any.met.length >= anyOf.minimumMatches) return [...all.met, ...any.met];
  const counts = `needed ${anyOf.minimumMatches}, got ${any.met.length}`;
  throw new UnmetRequirements(`minimum number of signatures not reached: ${counts}`, any.unmet);
}

/** @throws ArtifactError `verification-failed` for a config without any list: it would take whatever comes */
export function requireAnything({ allOf, anyOf }: VerificationConfig<unknown>): void {
  if (allOf !== undefined || anyOf !== undefined) return;
  throw new ArtifactError('verification-failed', 'Image verification failed: no signatures to verify');
}

interface UnmetRequirement {
  readonly requirement: Requirement;
  readonly reasons: readonly string[];
}

/** There are signatures, but not those that were asked for. The message ends with a line break, as what it lists does. */
export class UnmetRequirements extends ArtifactError {
  readonly requirements: readonly Requirement[];

  constructor(problem: string, unmet: readonly UnmetRequirement[]) {
    super('verification-failed', unmetText(problem, unmet));
    this.requirements = unmet.map(({ requirement }) => requirement);
  }
}

function unmetText(problem: string, unmet: readonly UnmetRequirement[]): string {
  const certificate = unmet.find(({ requirement }) => requirement.kind === 'certificate');
  if (certificate !== undefined) {
    return `verification failed: ${certificate.reasons.join('; ') || 'there is no signature'}`;
  }
  const list = unmet.map(({ requirement }) => (requirement.kind === 'certificate' ? '' : requirementYaml(requirement)));
  return `Image verification failed: ${problem}\nThe following constraints were not satisfied:\n${list.join('')}`;
}

interface Matches<R extends Requirement> {
  readonly met: readonly MetRequirement<R>[];
  readonly unmet: readonly UnmetRequirement[];
}

async function matchAll<R extends Requirement>(
  list: MetRequirement['list'],
  requirements: readonly R[],
  { signatures, context }: { signatures: readonly Signature[]; context: MatchContext },
): Promise<Matches<R>> {
  const met: MetRequirement<R>[] = [];
  const unmet: UnmetRequirement[] = [];
  for (const requirement of requirements) {
    const match = await matchRequirement(requirement, signatures, context);
    if (match.kind === 'met') met.push({ list, requirement, signature: match.signature });
    else unmet.push({ requirement, reasons: match.reasons });
  }
  return { met, unmet };
}
