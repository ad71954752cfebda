// The WebAssembly JavaScript API as Node offers it. TypeScript ships it only inside `lib.dom`, which would let browser
// globals into the whole program, and without JavaScript Promise Integration (`Suspending`, `promising`).
declare namespace WebAssembly {
  type ImportExportKind = 'function' | 'global' | 'memory' | 'table' | 'tag';
  type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'externref' | 'anyfunc';
  type ImportValue = ExportValue | Suspending | number | bigint;
  // eslint-disable-next-line typescript/no-unsafe-function-type -- exported functions of foreign modules have no other type
  type ExportValue = Function | Global | Memory | Table | Tag;
  type ModuleImports = Record<string, ImportValue>;
  type Imports = Record<string, ModuleImports>;
  type Exports = Readonly<Record<string, ExportValue>>;

  interface ModuleExportDescriptor {
    readonly name: string;
    readonly kind: ImportExportKind;
  }
  interface ModuleImportDescriptor extends ModuleExportDescriptor {
    readonly module: string;
  }
  interface MemoryDescriptor {
    readonly initial: number;
    readonly maximum?: number;
    readonly shared?: boolean;
  }

  class Module {
    constructor(bytes: BufferSource);
    static imports(module: Module): ModuleImportDescriptor[];
    static exports(module: Module): ModuleExportDescriptor[];
    static customSections(module: Module, name: string): ArrayBuffer[];
  }
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }
  class Memory {
    constructor(descriptor: MemoryDescriptor);
    readonly buffer: ArrayBuffer;
    grow(delta: number): number;
  }
  class Table {
    constructor(descriptor: {
      readonly element: 'anyfunc' | 'externref';
      readonly initial: number;
      readonly maximum?: number;
    });
    readonly length: number;
    get(index: number): unknown;
    set(index: number, value?: unknown): void;
    grow(delta: number, value?: unknown): number;
  }
  class Global {
    constructor(descriptor: { readonly value: ValueType; readonly mutable?: boolean }, value?: unknown);
    value: unknown;
    valueOf(): unknown;
  }
  class Tag {
    constructor(type: { readonly parameters: readonly ValueType[] });
  }
  class Exception extends Error {
    is(tag: Tag): boolean;
    getArg(tag: Tag, index: number): unknown;
  }
  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}
  class SuspendError extends Error {}

  /** An import that returns a promise: the guest's stack is set aside until it settles, the thread goes on. */
  class Suspending {
    // eslint-disable-next-line typescript/no-explicit-any -- parameter types are those of the guest's import
    constructor(fn: (...args: any[]) => unknown);
  }
  /** Makes an export callable so that imports below it may suspend. */
  // eslint-disable-next-line typescript/no-unsafe-function-type -- as ExportValue
  function promising(fn: Function): (...args: unknown[]) => Promise<unknown>;

  interface WebAssemblyInstantiatedSource {
    readonly module: Module;
    readonly instance: Instance;
  }
  function compile(bytes: BufferSource): Promise<Module>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
  function instantiate(bytes: BufferSource, imports?: Imports): Promise<WebAssemblyInstantiatedSource>;
  function validate(bytes: BufferSource): boolean;
}
