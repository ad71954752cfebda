import { isArray, RegoNumber, RegoObject, type RegoValue, typeName } from '../value.ts';

/**
 * A builtin as OPA's own evaluator defines it. `undefined` is Rego's undefined; a {@link BuiltinError} ends the evaluation,
 * so that a rule which could not be decided never passes for one that found nothing to object to.
 */
export type Builtin = (operands: readonly (RegoValue | undefined)[], context: BuiltinContext) => RegoValue | undefined;

/** One evaluation's surroundings, as far as builtins see them. */
export interface BuiltinContext {
  /** The same instant for the whole evaluation. */
  nowNs(): bigint;
  randomFill(bytes: Uint8Array): void;
  trace(message: string): void;
  /** What must be the same whenever it is asked for again during one evaluation. */
  readonly memo: Map<string, RegoValue>;
  /** Bound of every text a builtin makes. */
  readonly maxBytes: number;
}

/** Why a builtin has no answer; `message` is OPA's text where OPA has one. */
export class BuiltinError extends Error {}

type Operands = readonly (RegoValue | undefined)[];

export function operand(operands: Operands, index: number): RegoValue {
  const value = operands[index];
  if (value === undefined) throw new BuiltinError(`operand ${index + 1} is missing`);
  return value;
}

export function stringOperand(operands: Operands, index: number): string {
  const value = operand(operands, index);
  return typeof value === 'string' ? value : wrongType(value, index, 'string');
}

export function arrayOperand(operands: Operands, index: number): readonly RegoValue[] {
  const value = operand(operands, index);
  return isArray(value) ? value : wrongType(value, index, 'array');
}

export function objectOperand(operands: Operands, index: number): RegoObject {
  const value = operand(operands, index);
  return value instanceof RegoObject ? value : wrongType(value, index, 'object');
}

export function integerOperand(operands: Operands, index: number): bigint {
  const value = operand(operands, index);
  if (!(value instanceof RegoNumber)) return wrongType(value, index, 'number');
  const integer = value.toInteger();
  if (integer === undefined) {
    throw new BuiltinError(`operand ${index + 1} must be integer number but got floating-point number`);
  }
  return integer;
}

/** An integer of a size that counts things: anything beyond is cut to ±2^53. */
export function countOperand(operands: Operands, index: number): number {
  const integer = integerOperand(operands, index);
  const bound = BigInt(Number.MAX_SAFE_INTEGER);
  if (integer > bound) return Number.MAX_SAFE_INTEGER;
  return integer < -bound ? -Number.MAX_SAFE_INTEGER : Number(integer);
}

function wrongType(value: RegoValue, index: number, expected: string): never {
  throw new BuiltinError(`operand ${index + 1} must be ${expected} but got ${typeName(value)}`);
}

/** Refuses to make more than one evaluation may hold. */
export function checkSize(size: number, context: BuiltinContext): void {
  if (size > context.maxBytes) throw new BuiltinError(`the result is longer than ${context.maxBytes} bytes`);
}
