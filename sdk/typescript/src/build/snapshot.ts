import { CompileFlags, EvalFlags, QuickJS } from 'quickjs-wasi';
import { Module } from '../web-assembly.ts';
import { BuildError } from './errors.ts';
import type { PolicyImage } from './image.ts';

/** The name stack traces show. */
const SCRIPT_NAME = 'policy.js';

/** QuickJS refuses deeper recursion with a RangeError; the engine's stack is 1 MiB. */
const MAX_STACK_BYTES = 256 * 1024;

export interface SnapshotOptions {
  /** What JavaScript values may take, in bytes; beyond it the policy fails with "out of memory". */
  readonly heapBytes: number;
}

/** Evaluates a bundled policy once and takes the memory it leaves behind. */
export async function takeSnapshot(
  quickjs: Uint8Array,
  script: string,
  { heapBytes }: SnapshotOptions,
): Promise<PolicyImage> {
  const wasm = new Module(quickjs);
  const bytecode = await compileScript(wasm, script);
  const engine = await createEngine(wasm, heapBytes);
  const hostCall = engine.newFunction('hostCall', () => {
    throw new Error('the host cannot be called while the policy is being built - move the call into validate');
  });
  engine.setProp(engine.global, '__hostCall', hostCall);
  run(() => engine.evalBytecode(bytecode).dispose());
  const dispatcher = engine.global.getProp('__dispatch');
  engine.runGC();
  const { memory, stackPointer } = engine.snapshot();
  return { memory, stackPointer, dispatcher: engine.exportHandle(dispatcher) };
}

/** In an engine of its own, so that source text and parser leave no trace in the image. */
async function compileScript(wasm: object, script: string): Promise<Uint8Array> {
  const engine = await createEngine(wasm, 0);
  return run(() => engine.compile(script, SCRIPT_NAME, EvalFlags.TYPE_GLOBAL, CompileFlags.STRIP_SOURCE));
}

function createEngine(wasm: object, memoryLimit: number): Promise<QuickJS> {
  return QuickJS.create({
    wasm,
    memoryLimit,
    maxStackSize: MAX_STACK_BYTES,
    timezoneOffset: 0,
    // The seed of Math.random comes from the clock: the same policy must give the same image.
    wasi: (memory: { readonly buffer: ArrayBuffer }) => ({
      clock_time_get: (_clock: number, _precision: bigint, resultAddress: number) => {
        new DataView(memory.buffer).setBigUint64(resultAddress, 0n, true);
        return 0;
      },
      random_get: () => 52,
    }),
  });
}

function run<Result>(step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new BuildError('start-failed', `The policy fails while it is loaded: ${message}`, { cause: error });
  }
}
