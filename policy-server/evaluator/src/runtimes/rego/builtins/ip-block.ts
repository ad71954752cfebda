/** A block of addresses; a single address is a block of one. */
export interface IpBlock {
  readonly network: bigint;
  readonly prefix: number;
  readonly bits: 32 | 128;
}

/** `undefined` for anything Go's `net.ParseIP` refuses: leading zeros in IPv4, zones, white space. */
export function parseAddress(text: string): IpBlock | undefined {
  if (!text.includes(':')) {
    const network = parseIpv4(text);
    return network === undefined ? undefined : { network, prefix: 32, bits: 32 };
  }
  const network = parseIpv6(text);
  if (network === undefined) return undefined;
  const isMapped = network >> 32n === 0xffffn;
  return isMapped ? { network: network & 0xffff_ffffn, prefix: 32, bits: 32 } : { network, prefix: 128, bits: 128 };
}

/** `address/prefix`; bits behind the prefix are dropped. */
export function parseBlock(text: string): IpBlock | undefined {
  const slash = text.indexOf('/');
  const prefixText = text.slice(slash + 1);
  if (slash === -1 || !/^\d{1,3}$/.test(prefixText)) return undefined;
  const addressText = text.slice(0, slash);
  const isV6 = addressText.includes(':');
  const network = isV6 ? parseIpv6(addressText) : parseIpv4(addressText);
  const prefix = Number(prefixText);
  const bits = isV6 ? 128 : 32;
  if (network === undefined || prefix > bits) return undefined;
  if (isV6 && network >> 32n === 0xffffn && prefix >= 96) return blockOf(network & 0xffff_ffffn, prefix - 96, 32);
  return blockOf(network, prefix, bits);
}

function blockOf(address: bigint, prefix: number, bits: 32 | 128): IpBlock {
  const hostBits = BigInt(bits - prefix);
  return { network: (address >> hostBits) << hostBits, prefix, bits };
}

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((address, part) => (address << 8n) | BigInt(part), 0n);
}

/** RFC 4291 §2.2. */
function parseIpv6(text: string): bigint | undefined {
  const [head = '', tail, ...more] = text.split('::');
  if (more.length > 0) return undefined;
  const left = groupsOf(head, tail === undefined);
  const right = tail === undefined ? [] : groupsOf(tail, true);
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array.from({ length: missing }, () => 0n), ...right];
  return groups.reduce((address, group) => (address << 16n) | group, 0n);
}

/** Groups of 16 bits; the end of an address may be written as IPv4. */
function groupsOf(text: string, isEnd: boolean): bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const embedded = isEnd && index === parts.length - 1 && part.includes('.') ? parseIpv4(part) : undefined;
    if (embedded !== undefined) groups.push(embedded >> 16n, embedded & 0xffffn);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

export function containsBlock(outer: IpBlock, inner: IpBlock): boolean {
  if (outer.bits !== inner.bits || outer.prefix > inner.prefix) return false;
  const hostBits = BigInt(outer.bits - outer.prefix);
  return outer.network >> hostBits === inner.network >> hostBits;
}

/** The fewest blocks that hold the same addresses. */
export function mergeBlocks(blocks: readonly IpBlock[]): IpBlock[] {
  return ([32, 128] as const).flatMap((bits) =>
    mergeFamily(
      blocks.filter((block) => block.bits === bits),
      bits,
    ),
  );
}

function mergeFamily(blocks: readonly IpBlock[], bits: 32 | 128): IpBlock[] {
  const ranges = blocks.map(({ network, prefix }) => ({
    first: network,
    last: network + (1n << BigInt(bits - prefix)) - 1n,
  }));
  ranges.sort((a, b) => Number(a.first > b.first) - Number(a.first < b.first));
  const merged: { first: bigint; last: bigint }[] = [];
  for (const range of ranges) {
    const before = merged.at(-1);
    if (before === undefined || range.first > before.last + 1n) merged.push(range);
    else if (range.last > before.last) before.last = range.last;
  }
  return merged.flatMap(({ first, last }) => blocksOfRange(first, last, bits));
}

function blocksOfRange(first: bigint, last: bigint, bits: 32 | 128): IpBlock[] {
  const blocks: IpBlock[] = [];
  for (let at = first; at <= last;) {
    let hostBits = 0n;
    // The largest block that begins here and does not reach beyond the end.
    while (hostBits < BigInt(bits) && (at >> hostBits) % 2n === 0n && at + (2n << hostBits) - 1n <= last) hostBits++;
    blocks.push({ network: at, prefix: bits - Number(hostBits), bits });
    at += 1n << hostBits;
  }
  return blocks;
}

export function formatBlock({ network, prefix, bits }: IpBlock): string {
  return `${formatAddress(network, bits)}/${prefix}`;
}

/** RFC 5952: lower case, the longest run of zero groups shortened. */
export function formatAddress(address: bigint, bits: 32 | 128): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((address >> BigInt(16 * (7 - index))) & 0xffffn).toString(16),
  );
  const text = groups.join(':');
  let longest = '';
  for (const [run] of text.matchAll(/\b0(?::0)+\b/g)) if (run.length > longest.length) longest = run;
  if (longest === '') return text;
  return text.replace(new RegExp(`(?:^|:)\\b${longest}\\b(?::|$)`), '::');
}
