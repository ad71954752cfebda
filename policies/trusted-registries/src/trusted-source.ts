import { comparableRegistry, matchesGlob, matchesPathGlob } from '@portcullis/sdk';
import type { ImageReference } from '@portcullis/sdk';

/** An entry of the list: a registry, and the repositories of it that are trusted. */
export interface TrustedSource {
  /** Compared without regard to case; `*` and `?` are wildcards. */
  readonly registry: string;
  /** Segments the repository must begin with; none = the whole registry. */
  readonly path: readonly string[];
}

const MAX_SEGMENTS = 16;
const MAX_WILDCARDS = 8;
const REGISTRY = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9*?](?:[A-Za-z0-9*?.-]*[A-Za-z0-9*?])?)(?::[0-9]{1,5})?$/;
const SEGMENT = /^[a-z0-9*?._-]+$/;

/**
 * Parses `host`, `host:port` or `host/path`. What could never match an image is refused: a list that trusts less than it says is
 * found out when it is too late.
 *
 * @throws Error saying what is wrong with the entry.
 */
export function parseTrustedSource(entry: string): TrustedSource {
  const [registry = '', ...path] = (entry.endsWith('/') ? entry.slice(0, -1) : entry).split('/');
  if (entry.includes('://')) throw new Error('must not have a scheme, write host/path');
  if (entry.includes('@')) throw new Error('must not have a digest, repositories are trusted and not single images');
  if (!REGISTRY.test(registry)) throw new Error('must begin with the host name of a registry');
  if (!isRegistry(registry)) {
    throw new Error(
      `begins with ${JSON.stringify(registry)}, which container engines take for a part of Docker Hub: ` +
        `write docker.io/… (official images are in docker.io/library)`,
    );
  }
  if (isOpenEnded(registry)) {
    const hostile = registry.replaceAll('*', 'evil.example');
    throw new Error(
      `has a host that must not end in *: it would trust ${hostile}, too; "*" alone trusts every registry`,
    );
  }
  if (path.length > MAX_SEGMENTS) throw new Error(`must have at most ${MAX_SEGMENTS} parts after the host`);
  for (const segment of path) checkSegment(segment);
  if (path.join('/').replaceAll(/[^*?]/g, '').length > MAX_WILDCARDS) {
    throw new Error(`must have at most ${MAX_WILDCARDS} wildcards after the host`);
  }
  return { registry: comparableRegistry(registry), path };
}

/** Whether an image comes from there. Parsed parts are compared, never the beginnings of texts: quay.io is not quay.io.evil.com. */
export function isFrom({ registry, path }: TrustedSource, image: ImageReference): boolean {
  // A path names a tree: whatever lies below it is part of it.
  return (
    matchesGlob(registry, comparableRegistry(image.registry)) &&
    matchesPathGlob([...path, '**'], image.repository.split('/'))
  );
}

/** The rule by which container engines tell a host from the first part of a Docker Hub repository. */
function isRegistry(host: string): boolean {
  return host === 'localhost' || /[.:*?A-Z]/.test(host);
}

/** A star stands for dots, too: behind `10.0.0.*` there is a host for everybody. */
function isOpenEnded(registry: string): boolean {
  const host = registry.replace(/:[0-9]+$/, '');
  return host !== '*' && host.slice(host.lastIndexOf('.') + 1).includes('*');
}

function checkSegment(segment: string): void {
  if (segment === '') throw new Error('must not have empty parts between slashes');
  if (segment.includes(':')) throw new Error('must not have a tag, repositories are trusted and not single images');
  if (!SEGMENT.test(segment))
    throw new Error('has characters that no repository has: expected lower-case letters, digits, ".", "_", "-"');
  if (segment !== '**' && segment.includes('**')) throw new Error('"**" must be a part of its own, between slashes');
}
