import type { EngineMode } from './cases.ts';

/** A case on disk: all contenders are given the same bytes. */
export interface CaseFiles {
  readonly module: string;
  readonly mode: EngineMode;
  readonly request: string;
  readonly settings: string;
  /** Request and settings as a guest gets them: ours composes this itself, within the time that is measured. */
  readonly payload: string;
  /** Where a contender leaves its first answer. */
  readonly answer: string;
}

/** How one contender is started. */
export interface ContenderDefinition {
  readonly name: string;
  /** `native` runs the wasmtime peer. */
  readonly side: 'ours' | 'native';
  /** What kinds of guests it can run at all. */
  readonly modes: readonly EngineMode[];
  args(files: CaseFiles): readonly string[];
}

/** How wasmtime finds memory for instances; `pooling-resident` zeroes small memories in place instead of giving them back. */
const ALLOCATORS = ['on-demand', 'pooling', 'pooling-resident'];

/**
 * Ours with a clean slate by reset and by a new instance; wasmtime with each of its allocators, driven by the published waPC crates
 * and, as a lower bound, by a host that does no more than it must.
 */
export const CONTENDERS: readonly ContenderDefinition[] = [
  ours('reset'),
  ours('fresh'),
  ...ALLOCATORS.map(viaCrates),
  ...ALLOCATORS.map(direct),
];

function ours(instances: 'reset' | 'fresh'): ContenderDefinition {
  return {
    name: `portcullis ${instances}`,
    side: 'ours',
    modes: ['kubewarden-wapc', 'wasi'],
    args: ({ mode, request, settings }) =>
      [
        ['--instances', instances],
        ['--mode', mode],
        ['--request', request],
        ['--settings', settings],
      ].flat(),
  };
}

function viaCrates(allocator: string): ContenderDefinition {
  return {
    name: `wasmtime-provider ${allocator}`,
    side: 'native',
    modes: ['kubewarden-wapc'],
    args: ({ payload }) => nativeArgs('provider', allocator, payload),
  };
}

function direct(allocator: string): ContenderDefinition {
  return {
    name: `wasmtime ${allocator}`,
    side: 'native',
    modes: ['kubewarden-wapc', 'wasi'],
    args: ({ mode, payload }) => nativeArgs(mode === 'wasi' ? 'command' : 'direct', allocator, payload),
  };
}

function nativeArgs(host: string, allocator: string, payload: string): string[] {
  return [
    ['--host', host],
    ['--allocator', allocator],
    ['--operation', 'validate'],
    ['--payload', payload],
  ].flat();
}
