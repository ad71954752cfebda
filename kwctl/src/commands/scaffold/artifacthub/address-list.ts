/** One author: how they are called and where they read mail. */
export interface MailAddress {
  /** The address itself where no name was given. */
  readonly name: string;
  readonly email: string;
}

/** No list of authors is longer. */
const MAX_TEXT = 16_384;
const ATEXT = /[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]/u;
const DOMAIN_LABEL =
  '[A-Za-z0-9\\u0080-\\u{10ffff}](?:[A-Za-z0-9\\u0080-\\u{10ffff}-]*[A-Za-z0-9\\u0080-\\u{10ffff}])?';
const DOMAIN = new RegExp(`^${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*$`, 'u');

/**
 * Reads a list of mail addresses: RFC 5322 §3.4, with groups flattened, comments skipped, and names in any script as
 * RFC 6532 allows them.
 *
 * @throws SyntaxError that says what was expected, and where
 */
export function parseAddressList(text: string): MailAddress[] {
  if (text.length > MAX_TEXT) throw new SyntaxError(`expected at most ${MAX_TEXT} characters, got ${text.length}`);
  const tokens = tokenize(text);
  const addresses: MailAddress[] = [];
  let at = 0;
  let isInGroup = false;
  while (at < tokens.length) {
    const end = endOfEntry(tokens, at, isInGroup);
    const entry = tokens.slice(at, end);
    const separator = tokens[end]?.special;
    at = end + 1;
    if (separator === ':') isInGroup = true;
    // Empty entries between commas are allowed by the obsolete grammar every reader accepts.
    else if (entry.length > 0) addresses.push(addressOf(entry));
    if (separator === ';') {
      if (!isInGroup) throw new SyntaxError('expected "," between addresses, got ";"');
      isInGroup = false;
    }
  }
  if (isInGroup) throw new SyntaxError('expected ";" at the end of a group of addresses, got the end');
  if (addresses.length === 0) throw new SyntaxError('expected an address, got none');
  return addresses;
}

interface Token {
  /** An atom, a quoted string or a domain literal; empty for specials. */
  readonly word: string;
  readonly special?: string;
  readonly isQuoted?: boolean;
  /** White space or a comment stands before it. */
  readonly isApart: boolean;
}

function endOfEntry(tokens: readonly Token[], start: number, isInGroup: boolean): number {
  for (let at = start; at < tokens.length; at++) {
    const special = tokens[at]?.special;
    if (special === ',' || special === ';' || (special === ':' && !isInGroup)) return at;
  }
  return tokens.length;
}

/** `Name <local@domain>` or `local@domain`. */
function addressOf(entry: readonly Token[]): MailAddress {
  const open = entry.findIndex(({ special }) => special === '<');
  if (open === -1) {
    const email = addrSpec(entry);
    return { name: email, email };
  }
  const last = entry.at(-1);
  if (last?.special !== '>') throw new SyntaxError(`expected ">" after ${shown(entry.slice(open + 1))}`);
  const email = addrSpec(entry.slice(open + 1, -1));
  const name = phrase(entry.slice(0, open));
  return { name: name === '' ? email : name, email };
}

function phrase(tokens: readonly Token[]): string {
  let text = '';
  for (const { word, special, isApart } of tokens) {
    if (special !== undefined && special !== '.') throw new SyntaxError(`expected a name, got ${shown(tokens)}`);
    text += (isApart && text !== '' ? ' ' : '') + (special ?? word);
  }
  return text;
}

function addrSpec(tokens: readonly Token[]): string {
  const at = tokens.findLastIndex(({ special }) => special === '@');
  const local = tokens.slice(0, at);
  const domain = tokens.slice(at + 1);
  const domainText = domain.map(({ word, special }) => special ?? word).join('');
  const isDomain = DOMAIN.test(domainText) || (domain.length === 1 && domainText.startsWith('['));
  if (at <= 0 || !isDotted(local) || !isDomain || domainText.length > 255 || domain.some(({ isQuoted }) => isQuoted)) {
    throw new SyntaxError(`expected a mail address such as name@example.com, got ${shown(tokens)}`);
  }
  return `${local.map(({ word, special, isQuoted }) => special ?? (isQuoted ? JSON.stringify(word) : word)).join('')}@${domainText}`;
}

/** Words with single dots between them. */
function isDotted(tokens: readonly Token[]): boolean {
  return (
    tokens.length % 2 === 1 &&
    tokens.every(({ special, word }, index) =>
      index % 2 === 0 ? special === undefined && word !== '' : special === '.',
    )
  );
}

function shown(tokens: readonly Token[]): string {
  const text = tokens.map(({ word, special, isApart }) => `${isApart ? ' ' : ''}${special ?? word}`).join('');
  return JSON.stringify(text.trim().slice(0, 100).toWellFormed());
}

function tokenize(text: string): Token[] {
  const characters = Array.from(text);
  const tokens: Token[] = [];
  let at = 0;
  while (at < characters.length) {
    const begin = at;
    at = skipSpace(characters, at);
    const character = characters[at];
    if (character === undefined) break;
    const isApart = at > begin || tokens.length === 0;
    const { token, end } = tokenAt(characters, at, character);
    tokens.push({ ...token, isApart });
    at = end;
  }
  return tokens;
}

function tokenAt(
  characters: readonly string[],
  at: number,
  character: string,
): { token: Omit<Token, 'isApart'>; end: number } {
  if (character === '"') {
    const { content, end } = enclosed(characters, at, '"');
    return { token: { word: content, isQuoted: true }, end };
  }
  if (character === '[') {
    const { content, end } = enclosed(characters, at, ']');
    return { token: { word: `[${content}]` }, end };
  }
  if ('<>@,;:.'.includes(character)) return { token: { word: '', special: character }, end: at + 1 };
  let end = at;
  while (ATEXT.test(characters[end] ?? ' ')) end++;
  if (end === at) throw new SyntaxError(`unexpected character ${JSON.stringify(character)}`);
  return { token: { word: characters.slice(at, end).join('') }, end };
}

/** What stands between the delimiter at `at` and `close`, backslashes resolved. */
function enclosed(characters: readonly string[], at: number, close: string): { content: string; end: number } {
  let content = '';
  for (let index = at + 1; index < characters.length; index++) {
    const character = characters[index] ?? '';
    if (character === close) return { content, end: index + 1 };
    content += character === '\\' ? (characters[++index] ?? '') : character;
  }
  throw new SyntaxError(`expected ${JSON.stringify(close)}, got the end`);
}

/** White space and comments, which nest. */
function skipSpace(characters: readonly string[], start: number): number {
  let depth = 0;
  let at = start;
  for (; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '(') depth++;
    else if (character === ')' && depth > 0) depth--;
    else if (character === '\\' && depth > 0) at++;
    else if (depth === 0 && !/\s/.test(character)) return at;
  }
  if (depth > 0) throw new SyntaxError('expected ")" at the end of a comment, got the end');
  return characters.length;
}
