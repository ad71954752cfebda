import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { LineProcess } from '../line-process.ts';
import type { CaseFiles, ContenderDefinition } from './definitions.ts';
import { type Summary, summarise } from '../statistics.ts';

/** One round of one contender; times in microseconds. */
export interface EngineSample {
  readonly latencyUs: Summary;
  /** User and system time of all threads of the process, per evaluation. */
  readonly cpuUs: number;
  /** The largest resident size so far, of the whole process. */
  readonly maxRssMib: number;
}

const NODE = process.execPath;
const OURS = fileURLToPath(new URL('./subject.ts', import.meta.url));

/** A contender at work: its module is compiled and it has answered once. */
export class RunningContender implements AsyncDisposable {
  readonly name: string;
  /** What it answered first, without the line end that programs add. */
  readonly answer: string;
  /** Reading nothing, linking and compiling included. */
  readonly loadMs: number;
  readonly #process: LineProcess;

  private constructor(name: string, process: LineProcess, first: { answer: string; loadMs: number }) {
    this.name = name;
    this.#process = process;
    this.answer = first.answer;
    this.loadMs = first.loadMs;
  }

  /** `peer` is the program of a native contender; ours needs none. */
  static async start(
    definition: ContenderDefinition,
    files: CaseFiles,
    peer: string | undefined,
  ): Promise<RunningContender> {
    const { name } = definition;
    const args = [...definition.args(files), '--module', files.module, '--answer', files.answer];
    const process = peer === undefined ? new LineProcess(NODE, [OURS, ...args]) : new LineProcess(peer, args);
    try {
      const loadMs = numberOf(await process.next(), 'loadMs');
      return new RunningContender(name, process, { answer: (await readFile(files.answer, 'utf8')).trim(), loadMs });
    } catch (error) {
      await process[Symbol.asyncDispose]();
      throw error;
    }
  }

  async run(evaluations: number): Promise<EngineSample> {
    const said = await this.#process.ask(String(evaluations));
    const latencies = valueOf(said, 'latenciesNs');
    if (!Array.isArray(latencies) || latencies.length !== evaluations)
      throw new Error(`${this.name} measured something else than ${evaluations} evaluations`);
    return {
      latencyUs: summarise(latencies.map((ns) => Number(ns) / 1000)),
      cpuUs: numberOf(said, 'cpuUs') / evaluations,
      maxRssMib: Math.round(numberOf(said, 'maxRssKib') / 1024),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

function valueOf(record: unknown, key: string): unknown {
  return typeof record === 'object' && record !== null ? Reflect.get(record, key) : undefined;
}

function numberOf(record: unknown, key: string): number {
  const value = valueOf(record, key);
  if (typeof value !== 'number') throw new Error(`a contender said no ${key}`);
  return value;
}
