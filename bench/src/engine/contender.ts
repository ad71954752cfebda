import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { LineProcess } from '../line-process.ts';
import { type Summary, summarise } from '../statistics.ts';

/** A case on disk: all contenders are given the same bytes. */
export interface CaseFiles {
  readonly module: string;
  readonly request: string;
  readonly settings: string;
  /** Request and settings as a waPC guest gets them: ours composes this itself, within the time that is measured. */
  readonly payload: string;
  /** Where a contender leaves its first answer. */
  readonly answer: string;
}

/** How one contender is started. */
export interface ContenderDefinition {
  readonly name: string;
  /** `native` runs the wasmtime peer. */
  readonly side: 'ours' | 'native';
  args(files: CaseFiles): readonly string[];
}

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

/** Ours with a clean slate by reset and by a new instance, and wasmtime in every configuration a native server could choose. */
export function contenderDefinitions(): ContenderDefinition[] {
  const ours = ['reset', 'fresh'].map((instances) => ({
    side: 'ours' as const,
    name: `portcullis ${instances}`,
    args: ({ module, request, settings }: CaseFiles) => [
      '--instances',
      instances,
      '--module',
      module,
      '--request',
      request,
      '--settings',
      settings,
    ],
  }));
  const native = [
    ['provider', 'on-demand'],
    ['provider', 'pooling'],
    ['provider', 'pooling-resident'],
    ['direct', 'on-demand'],
    ['direct', 'pooling'],
    ['direct', 'pooling-resident'],
  ].map(([host = '', allocator = '']) => ({
    name: `${host === 'direct' ? 'wasmtime' : 'wasmtime-provider'} ${allocator}`,
    side: 'native' as const,
    args: ({ module, payload }: CaseFiles) => [
      '--host',
      host,
      '--allocator',
      allocator,
      '--operation',
      'validate',
      '--module',
      module,
      '--payload',
      payload,
    ],
  }));
  return [...ours, ...native];
}

/** A contender at work: its module is compiled and it has answered once. */
export class RunningContender implements AsyncDisposable {
  readonly name: string;
  /** What it answered first. */
  readonly answer: Uint8Array;
  /** Reading nothing, linking and compiling included. */
  readonly loadMs: number;
  readonly #process: LineProcess;

  private constructor(name: string, process: LineProcess, first: { answer: Uint8Array; loadMs: number }) {
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
    const args = [...definition.args(files), '--answer', files.answer];
    const process = peer === undefined ? new LineProcess(NODE, [OURS, ...args]) : new LineProcess(peer, args);
    try {
      const loadMs = numberOf(await process.next(), 'loadMs');
      return new RunningContender(name, process, { answer: await readFile(files.answer), loadMs });
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
