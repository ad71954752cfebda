/** The functions of OPA's Wasm ABI that a host calls. */
export interface RegoExports {
  builtins(): number;
  entrypoints(): number;
  opa_malloc(size: number): number;
  opa_json_parse(address: number, length: number): number;
  opa_json_dump(value: number): number;
  /** Since ABI 1.1: like their JSON twins, but sets stay sets and keys keep their type. */
  opa_value_parse?(address: number, length: number): number;
  opa_value_dump?(value: number): number;
  /** Where the heap ends; setting it forgets the blocks that were freed. */
  opa_heap_ptr_get(): number;
  opa_heap_ptr_set(address: number): void;
  /** Since ABI 1.2: the whole evaluation in one call, from the text of the input to that of the result. */
  opa_eval?(
    reserved: number,
    entrypoint: number,
    data: number,
    inputAddress: number,
    inputLength: number,
    heapPointer: number,
    format: number,
  ): number;
  /** What an evaluation takes where `opa_eval` does not exist. */
  eval(context: number): number;
  opa_eval_ctx_new(): number;
  opa_eval_ctx_set_input(context: number, value: number): void;
  opa_eval_ctx_set_data(context: number, value: number): void;
  opa_eval_ctx_set_entrypoint(context: number, entrypoint: number): void;
  opa_eval_ctx_get_result(context: number): number;
}

const ALWAYS_NEEDED = [
  'builtins',
  'entrypoints',
  'opa_malloc',
  'opa_json_parse',
  'opa_json_dump',
  'opa_heap_ptr_get',
  'opa_heap_ptr_set',
];

/** What an evaluation takes where `opa_eval` does not exist. */
const STEPWISE_NEEDED = [
  'eval',
  'opa_eval_ctx_new',
  'opa_eval_ctx_set_input',
  'opa_eval_ctx_set_data',
  'opa_eval_ctx_set_entrypoint',
  'opa_eval_ctx_get_result',
];

/** Functions every module of `opa build -t wasm` exports and this one lacks. */
export function missingExports(module: WebAssembly.Module): string[] {
  const functions = new Set(
    WebAssembly.Module.exports(module).flatMap((each) => (each.kind === 'function' ? [each.name] : [])),
  );
  const needed = functions.has('opa_eval') ? ALWAYS_NEEDED : [...ALWAYS_NEEDED, ...STEPWISE_NEEDED];
  return needed.filter((name) => !functions.has(name));
}

const OFFERED = new Map<string, WebAssembly.ImportExportKind>([
  ['memory', 'memory'],
  ['opa_abort', 'function'],
  ['opa_println', 'function'],
  ['opa_builtin0', 'function'],
  ['opa_builtin1', 'function'],
  ['opa_builtin2', 'function'],
  ['opa_builtin3', 'function'],
  ['opa_builtin4', 'function'],
]);

/** Those of a module's imports that no Rego policy is offered, as `module.name`. */
export function unknownImports(imports: readonly WebAssembly.ModuleImportDescriptor[]): string[] {
  return imports
    .filter((each) => each.module !== 'env' || OFFERED.get(each.name) !== each.kind)
    .map((each) => `${each.module}.${each.name}`);
}
