/**
 * Whether `text` as a whole fits a pattern in which `*` stands for any run of characters and `?` for one. Takes at most the product
 * of both lengths; use it instead of regular expressions made from settings, which can be made to take for ever.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  return matchesTokens(
    {
      tokens: pattern.split(''),
      isStar: (token) => token === '*',
      fits: (token, item) => token === '?' || token === item,
    },
    text.split(''),
  );
}

/**
 * Whether a path fits a pattern segment by segment: `*` and `?` inside a segment, a segment `**` for any number of segments.
 */
export function matchesPathGlob(pattern: readonly string[], segments: readonly string[]): boolean {
  return matchesTokens({ tokens: pattern, isStar: (token) => token === '**', fits: matchesGlob }, segments);
}

interface TokenPattern {
  readonly tokens: readonly string[];
  readonly isStar: (token: string) => boolean;
  readonly fits: (token: string, item: string) => boolean;
}

/** Greedy with one point of return: only the last star needs to be tried again, so nothing is tried twice at one place. */
function matchesTokens({ tokens, isStar, fits }: TokenPattern, items: readonly string[]): boolean {
  let token = 0;
  let item = 0;
  let star = -1;
  let resume = 0;
  while (item < items.length) {
    const current = tokens[token];
    if (current !== undefined && isStar(current)) {
      star = token++;
      resume = item;
    } else if (current !== undefined && fits(current, items[item] ?? '')) {
      token++;
      item++;
    } else if (star !== -1) {
      token = star + 1;
      item = ++resume;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every(isStar);
}
