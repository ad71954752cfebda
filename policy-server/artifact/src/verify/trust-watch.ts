import { messageOf } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import type { UnmetRequirements } from './judge.ts';
import type { Requirement } from './requirement-match.ts';
import type { TrustRootSource } from './trust/trust-root.ts';

/** A trust root source that remembers that it failed while signatures were collected. */
export interface WatchedTrustRoot {
  readonly source: TrustRootSource;
  /** The error as it is, or the one that says that requirements could not be met for want of a trust root. */
  explain(error: UnmetRequirements): ArtifactError;
}

const TARGET = 'policy_fetcher::verify';
const WARNING = 'Cannot create Sigstore trust root, verification relying on Rekor and Fulcio will fail';

/** @param onFailure is told of each failure */
export function watchTrustRoot(source: TrustRootSource, onFailure: (error: unknown) => void): WatchedTrustRoot {
  let failure: { readonly error: unknown } | undefined;
  const watched: TrustRootSource = {
    ...source,
    async trustRoot() {
      try {
        return await source.trustRoot();
      } catch (error) {
        failure = { error };
        onFailure(error);
        throw error;
      }
    },
  };
  return { source: watched, explain: (error) => (failure === undefined ? error : explained(error, failure.error)) };
}

/** Logs the first failure: a server verifies many policies, and says once what is wrong for all of them. */
export function warnOfTrustRoot(log: ArtifactLog): (error: unknown) => void {
  let isSaid = false;
  return (error) => {
    if (!isSaid) log({ level: 'warn', target: TARGET, message: WARNING, fields: { error: messageOf(error) } });
    isSaid = true;
  };
}

/** Which signature a key made can be told without a trust root; requirements of keys were judged as ever. */
function explained(error: UnmetRequirements, failure: unknown): ArtifactError {
  if (!error.requirements.some(needsTrustRoot)) return error;
  const text = error.message.endsWith('\n') ? error.message : `${error.message}\n`;
  const reason = `Keyless signatures could not be judged, there is no Sigstore trust root: ${messageOf(failure)}`;
  return new ArtifactError('trust-root-unavailable', `${text}${reason}\n`, { cause: failure });
}

function needsTrustRoot(requirement: Requirement): boolean {
  if (requirement.kind === 'certificate') return requirement.requireRekorBundle;
  return requirement.kind !== 'pubKey';
}
