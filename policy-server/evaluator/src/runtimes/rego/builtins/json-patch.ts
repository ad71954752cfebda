import { isArray, RegoNumber, RegoObject, RegoSet, type RegoValue, typeName, valuesEqual } from '../value.ts';
import { printValue } from '../value-text.ts';
import { arrayOperand, type Builtin, BuiltinError, operand } from './builtin.ts';

/** Every step copies the collections on its path: what a patch may copy in all. */
const MAX_COPIED_MEMBERS = 5_000_000;

type Path = readonly RegoValue[];

interface Budget {
  copied: number;
}

/** RFC 6902 over any Rego value; paths may also be arrays of keys, as in OPA. */
export const patchJson: Builtin = (operands) => {
  const budget: Budget = { copied: 0 };
  let target: RegoValue | undefined = operand(operands, 0);
  for (const operation of arrayOperand(operands, 1)) {
    if (!(operation instanceof RegoObject)) {
      throw new BuiltinError('must be an array of JSON-Patch objects, but at least one element is not an object');
    }
    target = applyOperation(target, operation, budget);
  }
  return target;
};

function applyOperation(target: RegoValue | undefined, operation: RegoObject, budget: Budget): RegoValue | undefined {
  const path = parsePath(attribute(operation, 'path'));
  const op = attribute(operation, 'op');
  if (typeof op !== 'string') throw new BuiltinError(`attribute 'op' must be a string but found: ${typeName(op)}`);
  switch (op) {
    case 'add':
      return insertAt(target, path, attribute(operation, 'value'), budget);
    case 'remove':
      return removeAt(target, path, budget);
    case 'replace':
      return insertAt(removeAt(target, path, budget), path, attribute(operation, 'value'), budget);
    case 'move': {
      const from = parsePath(attribute(operation, 'from'));
      return insertAt(removeAt(target, from, budget), path, valueAt(target, from), budget);
    }
    case 'copy':
      return insertAt(target, path, valueAt(target, parsePath(attribute(operation, 'from'))), budget);
    case 'test':
      if (!valuesEqual(valueAt(target, path), attribute(operation, 'value')))
        throw new BuiltinError('test failed: values differ');
      return target;
    default:
      throw new BuiltinError(`unrecognized op: '${op}'`);
  }
}

function attribute(operation: RegoObject, name: string): RegoValue {
  const value = operation.get(name);
  if (value === undefined) throw new BuiltinError(`missing required attribute '${name}'`);
  return value;
}

function parsePath(path: RegoValue): Path {
  if (isArray(path)) return path;
  if (typeof path !== 'string')
    throw new BuiltinError(`a path must be a string or an array of keys but got ${typeName(path)}`);
  if (path === '') return [];
  return path
    .replace(/^\/+/, '')
    .split('/')
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function valueAt(target: RegoValue | undefined, path: Path): RegoValue {
  let value = target;
  for (const key of path) value = childOf(value, key);
  return value ?? missing('', value);
}

function childOf(parent: RegoValue | undefined, key: RegoValue): RegoValue {
  if (parent instanceof RegoObject) return parent.get(key) ?? missing(key, parent);
  if (parent instanceof RegoSet) return parent.has(key) ? key : missing(key, parent);
  if (isArray(parent)) return parent[indexIn(parent, key)] ?? missingOrNull(parent, key);
  return missing(key, parent);
}

function missingOrNull(parent: readonly RegoValue[], key: RegoValue): RegoValue {
  return indexIn(parent, key) < parent.length ? null : missing(key, parent);
}

function missing(key: RegoValue, parent: RegoValue | undefined): never {
  const where = parent === undefined ? 'a removed document' : typeName(parent);
  throw new BuiltinError(`path ${printValue(key, 'rego')} does not exist in ${where}`);
}

/** RFC 6901 §4: an index has no leading zeros, `-` is the place behind the last element. */
function indexIn(array: readonly RegoValue[], key: RegoValue): number {
  const spelling = key instanceof RegoNumber ? key.text : key;
  if (spelling === '-') return array.length;
  if (typeof spelling !== 'string' || !/^(?:0|[1-9]\d{0,14})$/.test(spelling)) {
    throw new BuiltinError(`${printValue(key, 'rego')} is not an array index`);
  }
  return Number(spelling);
}

function insertAt(target: RegoValue | undefined, path: Path, value: RegoValue, budget: Budget): RegoValue {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (rest.length > 0) return withChild(target, key, insertAt(childOf(target, key), rest, value, budget), budget);
  if (isArray(target)) {
    const index = indexIn(target, key);
    if (index > target.length) throw new BuiltinError('index for array insertion out of bounds');
    spend(budget, target.length);
    return target.toSpliced(index, 0, value);
  }
  return withChild(target, key, value, budget);
}

function removeAt(target: RegoValue | undefined, path: Path, budget: Budget): RegoValue | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return target === undefined ? missing('', target) : undefined;
  const child = childOf(target, key);
  if (rest.length > 0) return withChild(target, key, removeAt(child, rest, budget) ?? null, budget);
  if (isArray(target)) {
    spend(budget, target.length);
    return target.toSpliced(indexIn(target, key), 1);
  }
  if (target instanceof RegoSet)
    return new RegoSet(copy(target.sorted(), budget).filter((member) => !valuesEqual(member, key)));
  if (target instanceof RegoObject) {
    return new RegoObject(copy([...target.entries()], budget).filter(([name]) => !valuesEqual(name, key)));
  }
  return missing(key, target);
}

/** `parent` with one member replaced or, in objects and sets, added. */
function withChild(parent: RegoValue | undefined, key: RegoValue, child: RegoValue, budget: Budget): RegoValue {
  if (parent instanceof RegoObject) return new RegoObject([...copy([...parent.entries()], budget), [key, child]]);
  if (isArray(parent)) {
    spend(budget, parent.length);
    return parent.with(indexIn(parent, key), child);
  }
  if (!(parent instanceof RegoSet)) return missing(key, parent);
  if (parent.has(key))
    return new RegoSet([...copy(parent.sorted(), budget).filter((each) => !valuesEqual(each, key)), child]);
  if (!valuesEqual(key, child)) throw new BuiltinError('set key does not equal value to be inserted');
  return new RegoSet([...copy(parent.sorted(), budget), child]);
}

function copy<T>(members: readonly T[], budget: Budget): readonly T[] {
  spend(budget, members.length);
  return members;
}

function spend(budget: Budget, members: number): void {
  budget.copied += members;
  if (budget.copied > MAX_COPIED_MEMBERS) throw new BuiltinError('the patch moves too much');
}
