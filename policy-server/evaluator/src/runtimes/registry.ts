import type { ExecutionMode } from '@portcullis/protocol';
import type { Runtime } from './runtime.ts';

/**
 * Where each execution mode is at home. Every runtime is loaded when its first policy is: most servers need one or two, and a
 * worker thread that replaces another must be back soon.
 */
const LOADERS: Readonly<Record<ExecutionMode, () => Promise<Runtime>>> = {
  'kubewarden-wapc': async () => (await import('./wapc/prepare.ts')).wapcRuntime,
  wasi: async () => (await import('./wasi/prepare.ts')).wasiRuntime,
  opa: async () => (await import('./rego/prepare.ts')).regoRuntime,
  gatekeeper: async () => (await import('./rego/prepare.ts')).regoRuntime,
  component: async () => (await import('./component/prepare.ts')).componentRuntime,
};

/** The runtime that speaks an execution mode. */
export function runtimeFor(mode: ExecutionMode): Promise<Runtime> {
  return LOADERS[mode]();
}
