import { RegoNumber, RegoObject, RegoSet, type RegoValue } from '../value.ts';
import { arrayOperand, type Builtin, checkSize, stringOperand } from './builtin.ts';
import { formatGo } from './go/format.ts';
import { quoteText } from './go/quote.ts';
import type { GoArgument } from './go/verbs.ts';

export const sprintfBuiltins: Readonly<Record<string, Builtin>> = {
  sprintf: (operands, context) => {
    const values = arrayOperand(operands, 1).map(goArgument);
    return formatGo(stringOperand(operands, 0), values, (length) => checkSize(length, context));
  },
};

/** Numbers stay numbers, texts stay texts, everything else is formatted as the text Rego shows it as. */
function goArgument(value: RegoValue): GoArgument {
  if (value instanceof RegoNumber) return goNumber(value.text);
  return { type: 'string', value: typeof value === 'string' ? value : termText(value) };
}

const MIN_I64 = -(2n ** 63n);
const MAX_I64 = 2n ** 63n - 1n;
/** As many digits as a number may have to be computed with. */
const MAX_DIGITS = 4096;

function goNumber(text: string): GoArgument {
  if (text.length > MAX_DIGITS) return { type: 'string', value: text };
  if (/[.eE]/.test(text)) {
    const float = Number(text);
    return Number.isFinite(float) ? { type: 'float64', value: float } : { type: 'string', value: text };
  }
  const integer = BigInt(text);
  return { type: integer < MIN_I64 || integer > MAX_I64 ? '*big.Int' : 'int64', value: integer };
}

/** A value as Rego prints it: sorted, `{"a": 1}`, `{1, 2}`, `set()`. */
function termText(value: RegoValue): string {
  if (typeof value === 'string') return quoteText(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (value instanceof RegoNumber) return value.text;
  if (value instanceof RegoSet) return value.size === 0 ? 'set()' : `{${value.sorted().map(termText).join(', ')}}`;
  if (value instanceof RegoObject) {
    const members = value.sorted().map(([key, member]) => `${termText(key)}: ${termText(member)}`);
    return `{${members.join(', ')}}`;
  }
  return `[${value.map(termText).join(', ')}]`;
}
