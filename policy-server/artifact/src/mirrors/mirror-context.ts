import { comparableRegistry } from '@portcullis/protocol';
import type { ArtifactLog } from '../log.ts';
import type { RegistryReader, Repository } from '../registry/registry.ts';
import type { Mirror } from '../sources/sources.ts';
import type { MirrorHealth } from './mirror-health.ts';

/** How long mirrors are waited for. They are there to be fast: one that is not has no right to hold up what the registry itself can answer. */
export interface MirrorLimits {
  /** For an answer of a few kilobytes, or the first bytes of a large one. */
  readonly answerTimeoutMs: number;
  /** For the word of the registry itself, when a mirror has said already what a tag names. */
  readonly secondOpinionMs: number;
}

export const DEFAULT_MIRROR_LIMITS: MirrorLimits = { answerTimeoutMs: 5000, secondOpinionMs: 1000 };

/** What every question to mirrors needs. */
export interface MirrorContext {
  /** Knows nothing of mirrors: a mirror of a mirror is not looked for. */
  readonly client: RegistryReader;
  /** By comparable name of the registry. */
  readonly mirrors: ReadonlyMap<string, readonly Mirror[]>;
  readonly health: MirrorHealth;
  readonly log: ArtifactLog;
  readonly limits: MirrorLimits;
  readonly nowMs: () => number;
}

/** Whole hosts are compared: `docker.io.example.com` has nothing to do with the mirrors of `docker.io`. */
export function mirrorsOf({ mirrors }: MirrorContext, { registry }: Repository): readonly Mirror[] {
  return mirrors.get(comparableRegistry(registry)) ?? [];
}

/** Where a mirror keeps what a registry has under `repository`. */
export function onMirror({ host, path }: Mirror, { repository }: Repository): Repository {
  return { registry: host, repository: path === '' ? repository : `${path}/${repository}` };
}

export function mirrorName({ host, path }: Mirror): string {
  return path === '' ? host : `${host}/${path}`;
}
