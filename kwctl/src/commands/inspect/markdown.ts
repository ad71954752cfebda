/**
 * Markdown as plain text for a terminal: marks of emphasis and headings go, `*` lists get bullets, quotes a bar, tables
 * boxes. Paragraphs are wrapped at `width`.
 */
export function renderMarkdown(text: string, width: number): string {
  const lines = text.replaceAll('\t', '    ').split('\n');
  if (lines.at(-1) === '') lines.pop();
  let out = '';
  for (let at = 0; at < lines.length;) {
    const { rendered, next } = renderBlock(lines, at, width);
    out += rendered;
    at = next;
  }
  return out;
}

interface Block {
  readonly rendered: string;
  /** The line after the block. */
  readonly next: number;
}

function renderBlock(lines: readonly string[], at: number, width: number): Block {
  const line = lines[at] ?? '';
  const fence = /^\s*(```+|~~~+)/.exec(line)?.[1];
  if (fence !== undefined) return renderFence(lines, at, fence);
  if (/^\s*\|.*\|\s*$/.test(line)) return renderTable(lines, at);
  return { rendered: renderLine(line, width), next: at + 1 };
}

function renderFence(lines: readonly string[], at: number, fence: string): Block {
  const offset = lines.slice(at + 1).findIndex((line) => line.trim().startsWith(fence));
  const end = offset === -1 ? lines.length : at + 1 + offset;
  return { rendered: codeBlock(lines.slice(at + 1, end)), next: end + 1 };
}

/** A block of code: all lines as wide as the longest. */
export function codeBlock(lines: readonly string[]): string {
  const width = widest(lines);
  return lines.map((line) => `${line.padEnd(width)}\n`).join('');
}

/** Length of the longest text. There may be more of them than a call takes arguments: a stranger wrote them. */
export function widest(texts: Iterable<string>): number {
  let width = 0;
  for (const text of texts) width = Math.max(width, text.length);
  return width;
}

function renderLine(line: string, width: number): string {
  if (line.trim() === '') return '\n';
  if (/^(?:---+|\*\*\*+|___+)\s*$/.test(line)) return `${'―'.repeat(width)}\n`;
  const heading = /^#{1,8} +(.*)$/.exec(line)?.[1];
  if (heading !== undefined) return wrap('', plain(heading), width);
  const bullet = /^( *)\* +(.*)$/.exec(line);
  if (bullet !== null) return wrap(`${bullet[1]}• `, plain(bullet[2] ?? ''), width);
  const quote = /^> ?(.*)$/.exec(line)?.[1];
  if (quote !== undefined) return wrap('▐ ', plain(quote), width);
  return wrap('', plain(line), width);
}

/** Emphasis, strike-through and code lose their marks; links stay as they are. */
function plain(text: string): string {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 1 ? part : withoutEmphasis(part)))
    .join('');
}

function withoutEmphasis(text: string): string {
  return text
    .replace(/\*\*([^*\s](?:[^*]*[^*\s])?)\*\*/g, '$1')
    .replace(/~~([^~]+)~~/g, '$1')
    .replace(/(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])/g, '$1');
}

/** Breaks between words, inside of a word only when it is wider than the line. */
function wrap(lead: string, text: string, width: number): string {
  const room = Math.max(1, width - lead.length);
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(/(?<= )(?=[^ ])/)) {
    if (current !== '' && current.length + word.trimEnd().length > room) {
      lines.push(current.trimEnd());
      current = '';
    }
    current += word;
    while (current.trimEnd().length > room) {
      lines.push(current.slice(0, room));
      current = current.slice(room);
    }
  }
  lines.push(current);
  return lines.map((line, index) => `${index === 0 ? lead : ' '.repeat(lead.length)}${line}\n`).join('');
}

function renderTable(lines: readonly string[], at: number): Block {
  let next = at;
  const rows: string[][] = [];
  for (; /^\s*\|.*\|\s*$/.test(lines[next] ?? ''); next++) {
    rows.push(
      (lines[next] ?? '')
        .trim()
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  }
  const isRule = (row: readonly string[]): boolean => row.every((cell) => /^:?-+:?$/.test(cell));
  const columns = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const cells = rows.filter((row) => !isRule(row));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(1, widest(cells.map((row) => plain(row[column] ?? '')))),
  );
  const edge = ([left, middle, right]: readonly [string, string, string]): string =>
    `${left}${widths.map((width) => '─'.repeat(width)).join(middle)}${right}\n`;
  const body = rows.map((row) =>
    isRule(row)
      ? edge(['├', '┼', '┤'])
      : `│${widths.map((width, column) => plain(row[column] ?? '').padEnd(width)).join('│')}│\n`,
  );
  return { rendered: edge(['┌', '┬', '┐']) + body.join('') + edge(['└', '┴', '┘']), next };
}
