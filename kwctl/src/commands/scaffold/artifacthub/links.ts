import { KwctlError } from '../../../errors.ts';

/** A page that belongs to a policy. */
export interface PolicyLink {
  readonly name: string;
  readonly url: string;
}

/** The home of a policy in the spelling every reader of URLs gives it: a bare host gains a slash. */
export function parseHomeUrl(text: string): string {
  return parseUrl(text, 'io.kubewarden.policy.url').href;
}

/** Where the source is and, for GitHub, where the module of this release can be downloaded. */
export function linksTo(source: string, releaseTag: string): PolicyLink[] {
  const { href, hostname } = parseUrl(source, 'io.kubewarden.policy.source');
  const links = [{ name: 'source', url: href }];
  if (hostname !== 'github.com') return links;
  const tag = new URLSearchParams([['', releaseTag]]).toString().slice(1);
  const repository = href.replace(/\/+$/, '');
  return [{ name: 'policy', url: `${repository}/releases/download/${tag}/policy.wasm` }, ...links];
}

function parseUrl(text: string, annotation: string): URL {
  const url = URL.parse(text);
  if (url !== null) return url;
  throw new KwctlError(
    'metadata-invalid',
    `annotation "${annotation}" must be a URL such as https://example.com/policy, got '${text.slice(0, 200)}'`,
  );
}
