import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LineProcess } from '../line-process.ts';
import { mean } from '../statistics.ts';

/** One and the same work for both sides. */
export interface EngineWork {
  readonly module: Uint8Array;
  /** The `request` of an AdmissionReview. */
  readonly request: Uint8Array;
}

/** The evaluator of a checkout, in a process of its own. */
export interface EngineSide extends AsyncDisposable {
  /** Mean time of one evaluation over one round. */
  meanUs(evaluations: number): Promise<number>;
}

/**
 * Starts the program that measures the evaluator of a checkout, as it is there: it knows that checkout's evaluator.
 *
 * @returns nothing when that checkout has no such program yet
 */
export async function startEngine(checkout: string, folder: string, work: EngineWork): Promise<EngineSide | undefined> {
  const program = join(checkout, 'bench/src/engine/subject.ts');
  if (!existsSync(program)) return undefined;
  const file = (name: string): string => join(folder, name);
  await writeFile(file('guest.wasm'), work.module);
  await writeFile(file('request.json'), work.request);
  await writeFile(file('settings.json'), '{}');
  const args = [program, '--module', file('guest.wasm'), '--request', file('request.json')];
  args.push('--settings', file('settings.json'), '--answer', file('answer'));
  const process_ = new LineProcess(process.execPath, args);
  try {
    await process_.next();
  } catch (error) {
    await process_[Symbol.asyncDispose]();
    throw error;
  }
  return {
    meanUs: async (evaluations) => mean(latenciesNs(await process_.ask(String(evaluations)))) / 1000,
    [Symbol.asyncDispose]: () => process_[Symbol.asyncDispose](),
  };
}

function latenciesNs(said: unknown): number[] {
  const latencies: unknown = typeof said === 'object' && said !== null ? Reflect.get(said, 'latenciesNs') : undefined;
  if (!Array.isArray(latencies)) throw new Error('the evaluator under test said no latenciesNs');
  return latencies.map(Number);
}
