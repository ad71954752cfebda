import { EvaluationError } from '../errors.ts';
import { Edit, type EditKind } from './edits.ts';
import { type AddedFunction, copyFunction, fillFunction, growFunction } from './functions.ts';
import { type MemoryType, capMemoryType } from './memory.ts';
import { ExternalKind, type ModuleExport, type ModuleGlobal, type ModuleView } from './module.ts';
import { LINK_EXPORT_PREFIX, type MutableGlobal } from './plan.ts';

/** What the link step adds to a module. Everything is appended to its index space, so that no index of the module changes. */
export interface Additions {
  /** The module's memory within its cap. */
  readonly memory: MemoryType | undefined;
  /** The module's own memory becomes an import. */
  readonly importsMemory: boolean;
  /** Index of the control memory, behind the module's own. */
  readonly controlIndex: number;
  readonly logicalSize: LogicalSize | undefined;
  /** Functions that take the place of instructions, behind those of the module. */
  readonly functions: AddedFunctions;
  readonly exports: readonly ModuleExport[];
  readonly globals: readonly MutableGlobal[];
  /** The start function is called by the host. */
  readonly takesStart: boolean;
}

/** `memory.size` reads a global, and `memory.grow` calls a function that changes it. */
export interface LogicalSize {
  readonly globalIndex: number;
  readonly initialPages: number;
}

export interface AddedFunctions {
  readonly list: readonly AddedFunction[];
  /** The function's index by the edit it is for. */
  readonly indices: ReadonlyMap<EditKind, number>;
}

/** Functions that are exported for the host under names of its own. */
export type InternalExports = ReadonlyMap<string, number>;

const VALUE_TYPES: ReadonlyMap<number, MutableGlobal['type']> = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
]);

/** Each costs an export of every instance; real modules have one to a dozen. */
export const MAX_MUTABLE_GLOBALS = 1000;

export const START_EXPORT = `${LINK_EXPORT_PREFIX}start`;

export interface AdditionOptions {
  readonly maxPages: number;
  /** Whether the host is to bring instances back to their image: it then needs the module's state, and takes its start function. */
  readonly exposed: boolean;
  readonly internals: InternalExports;
}

/** @throws EvaluationError `module-invalid` */
export function additionsTo(view: ModuleView, { maxPages, exposed, internals }: AdditionOptions): Additions {
  const memory = view.memory === undefined ? undefined : capMemoryType(view.memory, maxPages);
  if (memory?.shared === true) {
    throw new EvaluationError(
      'module-invalid',
      'the module needs a memory shared between threads, expected one of its own',
    );
  }
  const importsMemory = memory !== undefined && view.memory?.imported === undefined;
  const controlIndex = memory === undefined ? 0 : 1;
  const logicalSize = exposed ? logicalSizeOf(view, memory) : undefined;
  const common = {
    memory,
    importsMemory,
    controlIndex,
    logicalSize,
    functions: addedFunctions(view, controlIndex, logicalSize),
  };
  if (!exposed) return { ...common, exports: [], globals: [], takesStart: false };
  const globals = mutableGlobals(view.globals, logicalSize);
  return {
    ...common,
    globals: globals.map(({ name, type }) => ({ exportName: name, type })),
    exports: [
      ...globals.map(({ name, index }) => ({ name, kind: ExternalKind.global, index })),
      ...[...internals].map(([name, index]) => ({ name, kind: ExternalKind.function, index })),
      ...(view.startFunction === undefined
        ? []
        : [{ name: START_EXPORT, kind: ExternalKind.function, index: view.startFunction }]),
    ],
    takesStart: view.startFunction !== undefined,
  };
}

/** Where there is no memory or no code nothing can grow. */
function logicalSizeOf(view: ModuleView, memory: MemoryType | undefined): LogicalSize | undefined {
  if (memory === undefined || !hasCode(view)) return undefined;
  return { globalIndex: view.globals.length, initialPages: memory.minimumPages };
}

function addedFunctions(view: ModuleView, controlIndex: number, logicalSize: LogicalSize | undefined): AddedFunctions {
  const list: AddedFunction[] = [];
  const indices = new Map<EditKind, number>();
  const add = (kind: EditKind, added: AddedFunction): void => {
    indices.set(kind, view.functionCount + list.length);
    list.push(added);
  };
  if (view.memory !== undefined && hasCode(view)) {
    add(Edit.fill, fillFunction(controlIndex));
    add(Edit.copy, copyFunction(controlIndex));
  }
  if (logicalSize !== undefined) add(Edit.grow, growFunction(controlIndex, logicalSize.globalIndex));
  return { list, indices };
}

function hasCode({ functionCount, functionImports }: ModuleView): boolean {
  return functionCount > functionImports.length;
}

function mutableGlobals(
  globals: readonly ModuleGlobal[],
  logicalSize: LogicalSize | undefined,
): { name: string; index: number; type: MutableGlobal['type'] }[] {
  const found = globals.flatMap(({ type, mutable }, index) => {
    const valueType = VALUE_TYPES.get(type);
    return mutable && valueType !== undefined ? [{ name: globalExport(index), index, type: valueType }] : [];
  });
  // The image of such a module is not covered: see `proveImage`.
  if (found.length > MAX_MUTABLE_GLOBALS) found.length = 0;
  if (logicalSize !== undefined) {
    const { globalIndex } = logicalSize;
    found.push({ name: globalExport(globalIndex), index: globalIndex, type: 'i32' });
  }
  return found;
}

export function globalExport(index: number): string {
  return `${LINK_EXPORT_PREFIX}g${index}`;
}

export function isNumeric(type: number): boolean {
  return VALUE_TYPES.has(type);
}
