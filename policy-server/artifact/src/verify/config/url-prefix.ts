/** A prefix of URLs in its normal form, or why the text is none. */
export type ParsedUrlPrefix =
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Parses what the URL of an identity must begin with. The path ends in a slash afterwards, so that
 * `https://github.com/kubewarden` does not speak for `https://github.com/kubewarden-evil`.
 */
export function parseUrlPrefix(text: string): ParsedUrlPrefix {
  const url = URL.parse(text);
  if (url === null) return refused(`relative URL without a base: ${JSON.stringify(text.slice(0, 200))}`);
  // Behind these a slash would end nothing: `https://host/path?a` is a prefix of `https://host/path?attacker`.
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) {
    return refused('invalid value: URL with a query or fragment, expected a URL that ends with its path');
  }
  if (url.username !== '' || url.password !== '') {
    return refused('invalid value: URL with a user name or password, expected none');
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  // URLs such as `mailto:somebody@example.com` have no path that could be extended.
  if (url.host === '' || !url.href.endsWith('/')) {
    return refused('invalid value: URL without a host, expected one such as https://host/path/');
  }
  return { kind: 'prefix', value: url.href };
}

function refused(reason: string): ParsedUrlPrefix {
  return { kind: 'refused', reason };
}
