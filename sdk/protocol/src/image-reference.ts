import { ImageReferenceError, type ImageReferenceErrorCode } from './errors.ts';

/** A container image by its parsed parts: compare these, never prefixes of the text. */
export interface ImageReference {
  /** Host and port as written; Docker Hub under its short names is `docker.io`. */
  registry: string;
  /** Path without the host, `library/` added for the official images of Docker Hub. */
  repository: string;
  /** `latest` when neither tag nor digest was given. */
  tag?: string;
  /** `sha256:` or `sha512:` and lower-case hex. Identity: a tag beside it is only for display. */
  digest?: string;
}

const DOCKER_HUB = 'docker.io';
/** Host, path, tag and digest at their longest, with room to spare. */
const MAX_TEXT = 1024;
const MAX_REPOSITORY = 255;

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const HOST_LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const HOST_NAME = new RegExp(`^${HOST_LABEL}(?:\\.${HOST_LABEL})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/**
 * Parses an image reference by the grammar of the distribution project, with Docker's short names made whole:
 * `nginx` is `docker.io/library/nginx:latest`.
 *
 * @throws {@link ImageReferenceError}; code `empty` lets callers skip images that are not set.
 */
export function parseImageReference(text: string): ImageReference {
  if (text === '') throw refusal('empty', text, 'expected an image name, got an empty text');
  if (text.length > MAX_TEXT)
    throw refusal('too-long', text, `expected at most ${MAX_TEXT} characters, got ${text.length}`);
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw refusal(
      'ambiguous',
      text,
      'expected a name, got 64 hex characters, which are an image id to container engines',
    );
  }
  const [named, digest] = cutDigest(text);
  const { registry, remainder } = splitRegistry(named);
  const [repository, tag] = cutTag(text, remainder);
  checkRegistry(text, registry);
  checkRepository(text, repository);
  const reference: ImageReference = { registry, repository };
  if (tag !== undefined) reference.tag = tag;
  else if (digest === undefined) reference.tag = 'latest';
  if (digest !== undefined) reference.digest = digest;
  return reference;
}

/** The canonical text: every part that is set, nothing left to convention. */
export function formatImageReference({ registry, repository, tag, digest }: ImageReference): string {
  const version = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
  return `${registry}/${repository}${version}`;
}

/**
 * The form of a registry host to compare by: lower case, without the default port 443, and one name for Docker Hub.
 * The text of an image keeps the host as written.
 */
export function comparableRegistry(registry: string): string {
  const host = registry.toLowerCase().replace(/:443$/, '');
  return host === 'registry-1.docker.io' || host === 'index.docker.io' ? DOCKER_HUB : host;
}

function cutDigest(text: string): [named: string, digest: string | undefined] {
  const at = text.indexOf('@');
  if (at === -1) return [text, undefined];
  const digest = text.slice(at + 1);
  if (!DIGEST.test(digest)) {
    throw refusal('invalid-digest', text, 'expected sha256:<64 hex digits> or sha512:<128 hex digits> after "@"');
  }
  return [text.slice(0, at), digest];
}

/** Docker's rule: the first element is a host if it is `localhost`, has a dot or a colon, or an upper-case letter. */
function splitRegistry(named: string): { registry: string; remainder: string } {
  const slash = named.indexOf('/');
  const first = slash === -1 ? '' : named.slice(0, slash);
  const isHost = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const registry = isHost && first !== 'index.docker.io' ? first : DOCKER_HUB;
  const remainder = isHost ? named.slice(slash + 1) : named;
  const isOfficial = registry === DOCKER_HUB && !remainder.includes('/');
  return { registry, remainder: isOfficial ? `library/${remainder}` : remainder };
}

function cutTag(text: string, remainder: string): [repository: string, tag: string | undefined] {
  const colon = remainder.indexOf(':', remainder.lastIndexOf('/') + 1);
  if (colon === -1) return [remainder, undefined];
  const tag = remainder.slice(colon + 1);
  if (!TAG.test(tag)) {
    throw refusal(
      'invalid-tag',
      text,
      'expected 1 to 128 letters, digits, "_", "." or "-" after ":", not starting with "." or "-"',
    );
  }
  return [remainder.slice(0, colon), tag];
}

function checkRepository(text: string, repository: string): void {
  if (repository.length > MAX_REPOSITORY) {
    throw refusal(
      'too-long',
      text,
      `expected a repository of at most ${MAX_REPOSITORY} characters, got ${repository.length}`,
    );
  }
  if (!REPOSITORY.test(repository)) {
    throw refusal(
      'invalid-repository',
      text,
      'expected lower-case letters and digits, joined by ".", "_", "__" or "-", between slashes',
    );
  }
}

function checkRegistry(text: string, registry: string): void {
  const portAt = registry.startsWith('[') ? registry.indexOf(']') + 1 : registry.search(/:|$/);
  const host = registry.slice(0, portAt);
  const port = registry.slice(portAt);
  const portOk = port === '' || (/^:[0-9]{1,5}$/.test(port) && Number(port.slice(1)) <= 65_535);
  const hostOk = host.startsWith('[') ? isPlainIpv6(host.slice(1, -1)) : host.length <= 253 && HOST_NAME.test(host);
  if (!portOk || !hostOk)
    throw refusal('invalid-registry', text, 'expected a host name or [IPv6 address] and an optional port');
}

/** Zone ids name an interface of one machine and v4-mapped addresses a second spelling of a host: neither is accepted. */
function isPlainIpv6(address: string): boolean {
  if (!/^[0-9a-fA-F:]{2,39}$/.test(address) || address.includes(':::')) return false;
  const halves = address.split('::');
  if (halves.length > 2) return false;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const groups = [...head, ...tail];
  const countOk = halves.length === 2 ? groups.length < 8 : groups.length === 8;
  if (!countOk || !groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  const full = [...head, ...Array.from({ length: 8 - groups.length }, () => '0'), ...tail];
  const numbers = full.map((group) => Number.parseInt(group, 16));
  return !(numbers.slice(0, 5).every((number) => number === 0) && numbers[5] === 0xffff);
}

function refusal(code: ImageReferenceErrorCode, text: string, problem: string): ImageReferenceError {
  const shown = JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
  return new ImageReferenceError(code, `invalid image reference ${shown} – ${problem}`);
}
