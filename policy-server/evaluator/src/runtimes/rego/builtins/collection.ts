import { countStep } from '../interruption.ts';
import { isArray, RegoNumber, RegoObject, RegoSet, type RegoValue, typeName, valuesEqual } from '../value.ts';
import { type Builtin, BuiltinError, integerOperand, objectOperand, operand } from './builtin.ts';

/** What a builtin may make or look at; beyond, the answer would take seconds and all memory. */
const MAX_NUMBERS = 1_000_000;
const MAX_PATH_STEPS = 1_000_000;
const MAX_COMPARISONS = 1_000_000;

export const collectionBuiltins: Readonly<Record<string, Builtin>> = {
  'numbers.range_step': (operands) =>
    rangeStep(integerOperand(operands, 0), integerOperand(operands, 1), integerOperand(operands, 2)),
  'object.subset': (operands) => isSubset(operand(operands, 0), operand(operands, 1), { left: MAX_COMPARISONS }),
  'graph.reachable_paths': (operands) => reachablePaths(objectOperand(operands, 0), verticesOperand(operands, 1)),
};

function rangeStep(from: bigint, to: bigint, step: bigint): RegoValue {
  if (step <= 0n) throw new BuiltinError('numbers.range_step: step must be a positive integer');
  const distance = from <= to ? to - from : from - to;
  const count = distance / step + 1n;
  if (count > BigInt(MAX_NUMBERS)) throw new BuiltinError(`numbers.range_step: more than ${MAX_NUMBERS} numbers`);
  const signed = from <= to ? step : -step;
  return Array.from({ length: Number(count) }, (_, index) => {
    countStep();
    return RegoNumber.of(from + BigInt(index) * signed);
  });
}

function isSubset(whole: RegoValue, part: RegoValue, budget: { left: number }): boolean {
  if (whole instanceof RegoObject && part instanceof RegoObject) return isSubObject(whole, part, budget);
  if (whole instanceof RegoSet && part instanceof RegoSet) return part.sorted().every((member) => whole.has(member));
  if (isArray(whole) && isArray(part)) return isSubArray(whole, part, budget);
  if (isArray(whole) && part instanceof RegoSet) {
    const members = new RegoSet(whole);
    return part.size > 0 ? part.sorted().every((member) => members.has(member)) : whole.length > 0;
  }
  throw new BuiltinError('both arguments object.subset must be of the same type or array and set');
}

/** Objects may lie inside of larger objects at every level; sets and arrays likewise. */
function isSubObject(whole: RegoObject, part: RegoObject, budget: { left: number }): boolean {
  for (const [key, value] of part.entries()) {
    const other = whole.get(key);
    if (other === undefined) return false;
    if (valuesEqual(value, other)) continue;
    const sameKind = typeName(value) === typeName(other) && typeof value === 'object';
    if (!sameKind || value instanceof RegoNumber || value === null || !isSubset(other, value, budget)) return false;
  }
  return true;
}

/** Whether the elements of `part` follow each other somewhere in `whole`. */
function isSubArray(whole: readonly RegoValue[], part: readonly RegoValue[], budget: { left: number }): boolean {
  for (let start = 0; start + part.length <= whole.length; start++) {
    let matched = 0;
    while (matched < part.length && valuesEqual(whole[start + matched] ?? null, part[matched] ?? null)) {
      matched++;
      if (--budget.left < 0) throw new BuiltinError('object.subset: the arrays are too long');
    }
    if (matched === part.length) return true;
  }
  return false;
}

function verticesOperand(operands: Parameters<Builtin>[0], index: number): readonly RegoValue[] {
  const value = operand(operands, index);
  const vertices = verticesOf(value);
  if (vertices === undefined)
    throw new BuiltinError(`operand ${index + 1} must be {array, set} but got ${typeName(value)}`);
  return vertices;
}

function verticesOf(value: RegoValue | undefined): readonly RegoValue[] | undefined {
  if (value instanceof RegoSet) return value.sorted();
  return isArray(value) ? value : undefined;
}

interface Walk {
  readonly graph: RegoObject;
  readonly paths: RegoValue[][];
  steps: number;
}

/** Every path from the given vertices until its end or until it would turn back upon itself. */
function reachablePaths(graph: RegoObject, initial: readonly RegoValue[]): RegoSet {
  const walk: Walk = { graph, paths: [], steps: 0 };
  for (const vertex of initial) {
    const edges = graph.get(vertex);
    if (edges === undefined) continue;
    const neighbours = verticesOf(edges) ?? [];
    if (neighbours.length === 0) walk.paths.push([vertex]);
    // As in OPA a vertex that points to itself shows so: the first step may lead back.
    for (const neighbour of neighbours) follow(walk, neighbour, [vertex]);
  }
  return new RegoSet(walk.paths);
}

/** The number of paths may be exponential: steps are counted. */
function follow(walk: Walk, vertex: RegoValue, before: readonly RegoValue[]): void {
  countStep();
  walk.steps += before.length + 1;
  if (walk.steps > MAX_PATH_STEPS) throw new BuiltinError('graph.reachable_paths: the graph has too many paths');
  const edges = walk.graph.get(vertex);
  // A vertex that is only pointed at ends the path without being part of it.
  if (edges === undefined) return void walk.paths.push([...before]);
  const path = [...before, vertex];
  const neighbours = verticesOf(edges) ?? [];
  if (neighbours.length === 0) return void walk.paths.push(path);
  for (const neighbour of neighbours) {
    if (path.some((visited) => valuesEqual(visited, neighbour))) walk.paths.push(path);
    else follow(walk, neighbour, path);
  }
}
