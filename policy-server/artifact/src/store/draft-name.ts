import { hasEnded, newOwner } from './draft-owner.ts';

const PREFIX = '.policy.';
const SUFFIX = '.part';
const UNNAMED = 'unnamed';
const OWNED = /^\.policy\.(?<key>[\w-]+)\.(?<owner>[0-9a-f-]+)\.part$/;

/** What a draft becomes, where that is known: `sha256-…`. */
export function draftKey(digest: string): string {
  return digest.replace(':', '-');
}

/** The name of a draft while it is written; nobody else opens it. */
export function ownedName(key: string = UNNAMED): string {
  return `${PREFIX}${key}.${newOwner()}${SUFFIX}`;
}

/** The name of a draft that nobody writes and anybody may continue. */
export function releasedName(key: string): string {
  return `${PREFIX}${key}${SUFFIX}`;
}

/** Names of drafts, wherever they lie: never a policy. */
export function isDraftName(name: string): boolean {
  return name.startsWith(PREFIX) && name.endsWith(SUFFIX);
}

/** True when nobody writes this draft of `key` any more. */
export function mayContinue(name: string, key: string): boolean {
  const draft = ownedDraft(name);
  return draft === undefined ? name === releasedName(key) : draft.key === key && hasEnded(draft.owner);
}

/** True for what nobody can continue, because it does not say what it should become. */
export function isOrphan(name: string): boolean {
  const draft = ownedDraft(name);
  return draft !== undefined && draft.key === UNNAMED && hasEnded(draft.owner);
}

function ownedDraft(name: string): { key: string; owner: string } | undefined {
  const { key, owner } = OWNED.exec(name)?.groups ?? {};
  return key === undefined || owner === undefined ? undefined : { key, owner };
}
