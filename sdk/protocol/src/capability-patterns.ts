import { CapabilityPatternError } from './errors.ts';

/** The host capabilities a policy must be granted, as `<namespace>/<operation>`. `tracing/log` needs no grant. */
export const HOST_CAPABILITIES: readonly string[] = [
  'crypto/v1/is_certificate_trusted',
  'kubernetes/can_i',
  'kubernetes/get_resource',
  'kubernetes/list_resources_all',
  'kubernetes/list_resources_by_namespace',
  'net/v1/dns_lookup_host',
  'oci/v1/manifest_digest',
  'oci/v1/oci_manifest',
  'oci/v1/oci_manifest_config',
  'oci/v1/verify',
  'oci/v2/verify',
];

/** What a policy may ask of its host. */
export interface CapabilityAllowList {
  /** As configured, white space trimmed. */
  readonly patterns: readonly string[];
  /** `path` is `<namespace>/<operation>` of a host call, known or not. */
  allows(path: string): boolean;
}

/**
 * Reads a list of patterns: `*`, `<prefix>/*` or one capability. An empty list allows nothing.
 * After a `*` the rest of the list has no effect and is not checked.
 *
 * @throws {@link CapabilityPatternError}
 */
export function parseCapabilityPatterns(patterns: readonly string[]): CapabilityAllowList {
  const trimmed = patterns.map((pattern) => pattern.trim());
  const exact = new Set<string>();
  const prefixes: string[] = [];
  for (const pattern of trimmed) {
    if (pattern === '*') return { patterns: trimmed, allows: () => true };
    checkPattern(pattern);
    if (pattern.endsWith('/*')) prefixes.push(pattern.slice(0, -1));
    else exact.add(pattern);
  }
  return {
    patterns: trimmed,
    allows: (path) => exact.has(path) || prefixes.some((prefix) => path.startsWith(prefix)),
  };
}

function checkPattern(pattern: string): void {
  if (pattern === '') throw new CapabilityPatternError('invalid pattern: pattern must not be empty', pattern);
  const segments = pattern.split('/');
  const isPrefix = segments.at(-1) === '*';
  if (isPrefix) segments.pop();
  if (segments.length === 0 || segments.some((segment) => segment.includes('*'))) {
    throw refusal(pattern, `wildcard '*' must be the entire last path segment (e.g. 'oci/*'), not a partial match`);
  }
  const options = walk(pattern, segments);
  if (isPrefix && options.length === 0) throw unknownSegment(pattern, '*', options);
  if (!isPrefix && options.length > 0) {
    throw refusal(pattern, `not a complete capability path; use "${pattern}/*" to allow all capabilities under it`);
  }
}

/** Follows the segments down the tree of capabilities; returns what may come next, nothing after a leaf. */
function walk(pattern: string, segments: readonly string[]): string[] {
  let path = '';
  let options = childrenOf(path);
  for (const segment of segments) {
    if (!options.includes(segment)) throw unknownSegment(pattern, segment, options);
    path += `${segment}/`;
    options = childrenOf(path);
  }
  return options;
}

function childrenOf(prefix: string): string[] {
  const below = HOST_CAPABILITIES.filter((path) => path.startsWith(prefix));
  const names = below.map((path) => path.slice(prefix.length).split('/', 1)[0] ?? '');
  return [...new Set(names)].sort();
}

function unknownSegment(pattern: string, segment: string, options: readonly string[]): CapabilityPatternError {
  const valid = options.join(', ');
  return refusal(pattern, `unknown segment "${segment}", valid options at this level are: ${valid}`);
}

function refusal(pattern: string, problem: string): CapabilityPatternError {
  return new CapabilityPatternError(`invalid pattern "${pattern}": ${problem}`, pattern);
}
