import { messageOf } from '@portcullis/protocol';
import { EvaluationError } from '../../errors.ts';
import { CONTROL_IMPORT, LINK_MODULE, type LinkPlan } from '../../link/plan.ts';
import type { ThreadContext } from '../runtime.ts';
import { InstanceState } from './image.ts';
import type { Callable, Guest } from './guest.ts';

/** A core module as the link step left it, on one thread. */
export interface LinkedModule {
  readonly module: WebAssembly.Module;
  readonly plan: LinkPlan;
  readonly thread: ThreadContext;
}

export interface LinkedInstance {
  readonly exports: WebAssembly.Exports;
  /** What an image is taken of; `undefined` = its module is not covered by images. */
  readonly state: InstanceState | undefined;
}

/**
 * Makes an instance of a linked module and binds its memory. No code of it has run: its start function is an export now, see
 * `LinkPlan.startFunction`. `memoryPages` is the size of the memory it is given, by default what it declares.
 */
export function instantiateLinked(
  guest: Guest,
  { module, plan, thread }: LinkedModule,
  imports: WebAssembly.Imports,
  memoryPages = plan.memory?.initialPages ?? 0,
): LinkedInstance {
  const supplied = Object.assign(Object.create(null) as WebAssembly.Imports, imports);
  supply(supplied, { module: LINK_MODULE, name: CONTROL_IMPORT }, thread.control);
  if (plan.memory !== undefined) {
    const { maximumPages } = plan.memory;
    supply(supplied, plan.memory, new WebAssembly.Memory({ initial: memoryPages, maximum: maximumPages }));
  }
  const exports = instantiate(guest, module, supplied);
  const memory = memoryOf(exports);
  const state = InstanceState.of(plan, exports, memory);
  guest.memory.bind(memory, state);
  return { exports, state: plan.image.covered ? state : undefined };
}

function supply(
  imports: WebAssembly.Imports,
  { module, name }: { readonly module: string; readonly name: string },
  value: WebAssembly.Memory,
): void {
  imports[module] = Object.assign(Object.create(null) as WebAssembly.ModuleImports, imports[module], { [name]: value });
}

/** Makes an instance and binds its memory. */
export function instantiate(
  guest: Guest,
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
): WebAssembly.Exports {
  const { exports } = newInstance(module, imports);
  guest.memory.bind(memoryOf(exports));
  guest.module = module;
  return exports;
}

function memoryOf({ memory }: WebAssembly.Exports): WebAssembly.Memory {
  if (!(memory instanceof WebAssembly.Memory))
    throw new EvaluationError('module-invalid', 'the module exports no memory');
  if (!(memory.buffer instanceof ArrayBuffer)) {
    throw new EvaluationError(
      'module-invalid',
      'the module needs a memory shared between threads, expected one of its own',
    );
  }
  return memory;
}

function newInstance(module: WebAssembly.Module, imports: WebAssembly.Imports): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(module, imports);
  } catch (error) {
    throw new EvaluationError('initialisation-failed', `cannot instantiate the policy: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** An exported function, if there is one of that name. */
export function exportedFunction(exports: WebAssembly.Exports, name: string): Callable | undefined {
  const value = Object.hasOwn(exports, name) ? exports[name] : undefined;
  return typeof value === 'function' ? (value as Callable) : undefined;
}
