import { RegoFailure } from './errors.ts';

/** The functions of OPA's Wasm ABI that are called here; `opa-wasm` calls the others. */
export interface RegoExports {
  builtins(): number;
  entrypoints(): number;
  opa_malloc(size: number): number;
  opa_json_parse(address: number, length: number): number;
  opa_json_dump(value: number): number;
  /** Since ABI 1.1: like their JSON twins, but sets stay sets and keys keep their type. */
  opa_value_parse?(address: number, length: number): number;
  opa_value_dump?(value: number): number;
  /** Since ABI 1.2: the whole evaluation in one call. */
  opa_eval?(...args: number[]): number;
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

/** Imports that no Rego policy is offered, as `module.name`. */
export function unknownImports(module: WebAssembly.Module): string[] {
  return WebAssembly.Module.imports(module)
    .filter((each) => each.module !== 'env' || OFFERED.get(each.name) !== each.kind)
    .map((each) => `${each.module}.${each.name}`);
}

/** The minor version of the ABI; a module of before they were counted has none. */
export function abiMinorVersion(exports: WebAssembly.Exports): number {
  const version = exports['opa_wasm_abi_minor_version'];
  const value = version instanceof WebAssembly.Global ? version.value : undefined;
  return typeof value === 'number' ? value : 0;
}

/**
 * The bytes of a NUL-terminated text. Both the address and the terminator are the guest's word: a text that never ends
 * must not be read for ever.
 */
export function readText(memory: WebAssembly.Memory, address: number, maxBytes: number): Uint8Array {
  const bytes = new Uint8Array(memory.buffer);
  const start = address >>> 0;
  if (start >= bytes.length)
    throw new RegoFailure('guest-error', `address ${start} lies outside of the policy's memory`);
  const window = bytes.subarray(start, start + maxBytes + 1);
  const length = window.indexOf(0);
  if (length !== -1) return window.subarray(0, length);
  throw new RegoFailure('limit', `a text of the policy is longer than ${maxBytes} bytes or does not end`);
}

// Guests may hold bytes that are no UTF-8 (base64.decode of anything): replaced as in Go, never refused.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
