import { countStep } from '../interruption.ts';
import { isArray, RegoNumber, RegoObject, RegoSet, type RegoValue } from '../value.ts';
import { type Builtin, BuiltinError, operand, stringOperand } from './builtin.ts';
import {
  containsBlock,
  formatAddress,
  formatBlock,
  mergeBlocks,
  type IpBlock,
  parseAddress,
  parseBlock,
} from './ip-block.ts';

const MAX_ADDRESSES = 65_536;
const MAX_COMPARISONS = 1_000_000;

export const netBuiltins: Readonly<Record<string, Builtin>> = {
  'net.cidr_is_valid': (operands) => {
    const text = operand(operands, 0);
    return typeof text === 'string' && parseBlock(text) !== undefined;
  },
  'net.cidr_expand': (operands) => expand(blockFrom(stringOperand(operands, 0))),
  'net.cidr_contains_matches': (operands) => containsMatches(operand(operands, 0), operand(operands, 1)),
  'net.cidr_merge': (operands) => merge(operand(operands, 0)),
};

function blockFrom(text: string): IpBlock {
  const block = parseBlock(text);
  if (block === undefined) throw new BuiltinError(`invalid CIDR address: ${text}`);
  return block;
}

function expand(block: IpBlock): RegoSet {
  const hostBits = block.bits - block.prefix;
  if (hostBits > 16) throw new BuiltinError(`net.cidr_expand: more than ${MAX_ADDRESSES} addresses`);
  const addresses: string[] = [];
  for (let i = 0n; i < 1n << BigInt(hostBits); i++) {
    countStep();
    addresses.push(formatAddress(block.network + i, block.bits));
  }
  return new RegoSet(addresses);
}

interface Candidate {
  readonly block: IpBlock;
  readonly index: RegoValue;
}

function containsMatches(outer: RegoValue, inner: RegoValue): RegoSet {
  const blocks = candidates(outer, 1, blockFrom);
  const members = candidates(inner, 2, memberFrom);
  if (blocks.length * members.length > MAX_COMPARISONS)
    throw new BuiltinError('net.cidr_contains_matches: too many addresses');
  const matches: RegoValue[] = [];
  for (const { block, index } of blocks) {
    for (const member of members) {
      countStep();
      if (containsBlock(block, member.block)) matches.push([index, member.index]);
    }
  }
  return new RegoSet(matches);
}

function memberFrom(text: string): IpBlock {
  const member = parseAddress(text) ?? parseBlock(text);
  if (member === undefined)
    throw new BuiltinError(`not a valid textual representation of an IP address or CIDR: ${text}`);
  return member;
}

/** Addresses with what names them in the result: themselves, their index, their set member, or their key. */
function candidates(value: RegoValue, position: number, read: (text: string) => IpBlock): Candidate[] {
  const candidate = (member: RegoValue, index: RegoValue): Candidate => {
    const text = isArray(member) ? member[0] : member;
    if (typeof text === 'string') return { block: read(text), index };
    throw new BuiltinError(`operand ${position}: element must be string or non-empty array`);
  };
  if (typeof value === 'string') return [candidate(value, value)];
  if (isArray(value)) return value.map((member, index) => candidate(member, RegoNumber.of(index)));
  if (value instanceof RegoSet) return value.sorted().map((member) => candidate(member, member));
  if (value instanceof RegoObject) return value.sorted().map(([key, member]) => candidate(member, key));
  return [];
}

function merge(value: RegoValue): RegoSet {
  const members = value instanceof RegoSet ? value.sorted() : value;
  if (!isArray(members)) throw new BuiltinError('operand must be an array');
  const blocks = members.map((member) => {
    if (typeof member !== 'string') throw new BuiltinError('element must be string');
    const address = parseAddress(member);
    return address === undefined ? blockFrom(member) : classful(address);
  });
  return new RegoSet(mergeBlocks(blocks).map(formatBlock));
}

/** As OPA: an address without a prefix stands for its network of the classful days. */
function classful(address: IpBlock): IpBlock {
  if (address.bits === 128) throw new BuiltinError('IPv6 invalid: needs prefix length');
  const lead = Number(address.network >> 24n);
  let prefix = 24;
  if (lead < 192) prefix = lead < 128 ? 8 : 16;
  const hostBits = BigInt(32 - prefix);
  return { ...address, prefix, network: (address.network >> hostBits) << hostBits };
}
