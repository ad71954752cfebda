import { messageOf } from '@portcullis/protocol';
import { EvaluationError } from '../../errors.ts';
import type { Callable, Guest } from './guest.ts';

/**
 * Makes an instance and binds its memory. A Wasm start function runs in here, outside of `promising`: it may use imports that
 * answer at once, and traps on the others.
 */
export function instantiate(
  guest: Guest,
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
): WebAssembly.Exports {
  const { exports } = newInstance(module, imports);
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory))
    throw new EvaluationError('module-invalid', 'the module exports no memory');
  if (!(memory.buffer instanceof ArrayBuffer)) {
    throw new EvaluationError(
      'module-invalid',
      'the module needs a memory shared between threads, expected one of its own',
    );
  }
  guest.memory.bind(memory);
  return exports;
}

function newInstance(module: WebAssembly.Module, imports: WebAssembly.Imports): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(module, imports);
  } catch (error) {
    throw new EvaluationError('initialisation-failed', `cannot instantiate the policy: ${problemOf(error)}`, {
      cause: error,
    });
  }
}

function problemOf(error: unknown): string {
  if (error instanceof WebAssembly.SuspendError) {
    return 'its start function waits for the host, which only exported functions may do (_initialize, _start)';
  }
  return messageOf(error);
}

/** An exported function, if there is one of that name. */
export function exportedFunction(exports: WebAssembly.Exports, name: string): Callable | undefined {
  const value = Object.hasOwn(exports, name) ? exports[name] : undefined;
  return typeof value === 'function' ? (value as Callable) : undefined;
}
