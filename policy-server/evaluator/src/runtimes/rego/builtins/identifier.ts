import { RegoNumber, RegoObject, type RegoValue } from '../value.ts';
import { type Builtin, type BuiltinContext, integerOperand, operand, stringOperand } from './builtin.ts';
import { printValue } from '../value-text.ts';

/** UUIDs and random numbers; what is asked for twice in one evaluation is the same both times. */
export const identifierBuiltins: Readonly<Record<string, Builtin>> = {
  'uuid.rfc4122': (operands, context) =>
    remembered(context, `uuid ${printValue(operand(operands, 0), 'rego')}`, () => randomUuid(context)),
  'uuid.parse': (operands) => parseUuid(stringOperand(operands, 0)),
  'rand.intn': (operands, context) => {
    const seed = stringOperand(operands, 0);
    const requested = integerOperand(operands, 1);
    const bound = requested < 0n ? -requested : requested;
    return remembered(context, `rand ${bound} ${seed}`, () => RegoNumber.of(randomBelow(bound, context)));
  },
};

function remembered(context: BuiltinContext, key: string, make: () => RegoValue): RegoValue {
  const known = context.memo.get(key);
  if (known !== undefined) return known;
  const value = make();
  context.memo.set(key, value);
  return value;
}

function randomUuid(context: BuiltinContext): string {
  const bytes = new Uint8Array(16);
  context.randomFill(bytes);
  // RFC 9562 §5.4: version 4, variant 10.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** 128 random bits make the bias of the remainder immeasurable for bounds of 64 bits. */
function randomBelow(bound: bigint, context: BuiltinContext): bigint {
  if (bound === 0n) return 0n;
  const bytes = new Uint8Array(16);
  context.randomFill(bytes);
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`) % bound;
}

const HEX_FORM = /^[0-9a-f]{32}$/i;
const DASHED_FORM = /^(?:urn:uuid:)?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i;
/** google/uuid looks at the length only: any two characters may embrace the rest. */
const BRACED_FORM = /^.([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12}).$/is;

/** `undefined` for what is no UUID. */
function parseUuid(text: string): RegoObject | undefined {
  const groups = DASHED_FORM.exec(text) ?? BRACED_FORM.exec(text);
  if (groups === null && !HEX_FORM.test(text)) return undefined;
  const bytes = Buffer.from(groups?.slice(1).join('') ?? text, 'hex');
  const version = (bytes[6] ?? 0) >> 4;
  const members: [string, RegoValue][] = [
    ['version', RegoNumber.of(version)],
    ['variant', variantOf(bytes[8] ?? 0)],
  ];
  if (version === 1 || version === 2) members.push(...timeMembers(bytes));
  if (version === 2) {
    const domains = ['Person', 'Group', 'Org'];
    const domain = bytes[9] ?? 0;
    members.push(['id', RegoNumber.of(bytes.readUInt32BE(0))], ['domain', domains[domain] ?? `Domain${domain}`]);
  }
  return new RegoObject(members);
}

function variantOf(byte: number): string {
  if ((byte & 0xc0) === 0x80) return 'RFC4122';
  if ((byte & 0xe0) === 0xc0) return 'Microsoft';
  return (byte & 0xe0) === 0xe0 ? 'Future' : 'Reserved';
}

/** RFC 9562 §5.1: 100 ns steps since 15 October 1582, a clock sequence, a network address. */
function timeMembers(bytes: Buffer): [string, RegoValue][] {
  const low = BigInt(bytes.readUInt32BE(0));
  const middle = BigInt(bytes.readUInt16BE(4));
  const high = BigInt(bytes.readUInt16BE(6) & 0x0fff);
  const sinceEpoch = (low | (middle << 32n) | (high << 48n)) - 122_192_928_000_000_000n;
  const node = bytes.subarray(10);
  const first = node[0] ?? 0;
  return [
    ['time', RegoNumber.of(sinceEpoch * 100n)],
    ['nodeid', node.toString('hex').replace(/(..)(?=.)/g, '$1-')],
    ['macvariables', `${(first & 2) === 0 ? 'global' : 'local'}:${(first & 1) === 0 ? 'unicast' : 'multicast'}`],
    ['clocksequence', RegoNumber.of(bytes.readUInt16BE(8) & 0x3fff)],
  ];
}
