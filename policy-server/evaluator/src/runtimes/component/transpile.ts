import { messageOf } from '@portcullis/protocol';
import { Worker } from 'node:worker_threads';
import { threadEnvironment } from '../../thread-environment.ts';
import { invalidComponent } from './errors.ts';

/**
 * A component as JavaScript glue and the core modules that it names, in order. The glue is a script, not a module: strict,
 * without imports and exports, it declares `function instantiate(getCoreModule, imports)`.
 */
export interface TranspiledComponent {
  readonly glue: string;
  readonly coreModules: readonly Uint8Array[];
}

export interface TranspileOptions {
  /** @default 60_000: a QuickJS policy takes 0.3 s, a StarlingMonkey one a second */
  readonly timeoutMs?: number;
}

/** What the thread answers. */
export type TranspileReply = { readonly files: ReadonlyMap<string, Uint8Array> } | { readonly problem: string };

const DEFAULT_TIMEOUT_MS = 60_000;
const HEAP_MEGABYTES = 512;
/** Glue of a StarlingMonkey policy has 125 kB, of a QuickJS one 190 kB. */
const MAX_GLUE_BYTES = 4 * 1024 * 1024;
const MAX_PROBLEM_LENGTH = 500;

const CORE_MODULE_FILE = /^policy\.core(\d*)\.wasm$/;

/**
 * Transpiles a component that `inspectComponent` has passed.
 *
 * The component is hostile input to a large program, so that program runs in a thread of its own, with a bounded heap and no
 * environment, and is ended at a deadline: a component that makes it loop costs one failed load, not the server.
 *
 * @throws EvaluationError `module-invalid`
 */
export async function transpileComponent(
  component: Uint8Array,
  options: TranspileOptions = {},
): Promise<TranspiledComponent> {
  const reply = await runThread(component, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  if ('problem' in reply) {
    throw invalidComponent(`the component cannot be transpiled: ${reply.problem.slice(0, MAX_PROBLEM_LENGTH)}`);
  }
  requireSignatures(reply.files);
  return { glue: scriptFrom(textOf(reply.files, 'policy.js')), coreModules: coreModulesOf(reply.files) };
}

/** Where the glue's `getCoreModule('policy.core3.wasm')` points to; `undefined` when the glue asks for anything else. */
export function coreModuleIndex(file: string): number | undefined {
  const match = CORE_MODULE_FILE.exec(file);
  if (match === null) return undefined;
  return match[1] === '' ? 0 : Number(match[1]) - 1;
}

async function runThread(component: Uint8Array, timeoutMs: number): Promise<TranspileReply> {
  const worker = new Worker(new URL('./transpile-worker.ts', import.meta.url), {
    name: 'transpile',
    workerData: component,
    env: threadEnvironment(),
    // What the transpiler prints is not the program's output.
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES },
  });
  const { promise, resolve, reject } = Promise.withResolvers<TranspileReply>();
  const deadline = setTimeout(
    () => reject(invalidComponent(`the component could not be transpiled within ${timeoutMs} ms`)),
    timeoutMs,
  );
  worker.once('message', resolve);
  worker.once('error', (error) =>
    reject(invalidComponent(`the component cannot be transpiled: ${messageOf(error)}`, error)),
  );
  worker.once('exit', () =>
    reject(invalidComponent('the component cannot be transpiled: the transpiler ended without an answer')),
  );
  try {
    return await promise;
  } finally {
    clearTimeout(deadline);
    await worker.terminate();
  }
}

/**
 * Both exports and the host's function must have the types of the world; jco derives the declarations from the component's
 * own types, whatever its names promise.
 */
function requireSignatures(files: ReadonlyMap<string, Uint8Array>): void {
  const declarations = textOf(files, 'policy.d.ts');
  for (const name of ['validate', 'validateSettings']) {
    if (!new RegExp(`\\b${name}\\(\\w+: Uint8Array\\): Promise<Uint8Array>`).test(declarations)) {
      throw invalidComponent(
        `the component's \`${name}\` has other types than \`func(payload: list<u8>) -> result<list<u8>, string>\` of policy.wit`,
      );
    }
  }
  const host = [...files.keys()].find(
    (name) => name.startsWith('interfaces/portcullis-policy-host') && name.endsWith('.d.ts'),
  );
  if (host === undefined) return;
  const call = /^export function call\(\w+: string, \w+: string, \w+: string, \w+: Uint8Array\): Uint8Array;$/m;
  if (!call.test(textOf(files, host))) {
    throw invalidComponent("the component imports the host's `call` with other types than those of policy.wit");
  }
}

/** The glue as a script. jco writes a module whose only module syntax is its two exports. */
function scriptFrom(source: string): string {
  if (source.length > MAX_GLUE_BYTES) {
    throw invalidComponent(
      `the component transpiles to ${source.length} bytes of glue, at most ${MAX_GLUE_BYTES} are allowed`,
    );
  }
  const script = source.replace(/^export (?=function instantiate\(|const _util = )/gm, '');
  if (!/^function instantiate\(/m.test(script) || /^\s*(?:export|import)\b/m.test(script)) {
    throw invalidComponent('the component transpiles to glue of an unknown shape');
  }
  return script;
}

function coreModulesOf(files: ReadonlyMap<string, Uint8Array>): Uint8Array[] {
  const modules: Uint8Array[] = [];
  for (const [name, bytes] of files) {
    const index = coreModuleIndex(name);
    if (index !== undefined) modules[index] = bytes;
  }
  // `Object.keys` skips the holes that a missing number leaves.
  if (modules.length === 0 || Object.keys(modules).length !== modules.length) {
    throw invalidComponent('the component transpiles to an incomplete set of core modules');
  }
  return modules;
}

function textOf(files: ReadonlyMap<string, Uint8Array>, name: string): string {
  const bytes = files.get(name);
  if (bytes === undefined) throw invalidComponent(`the transpiler did not write ${name}`);
  return new TextDecoder().decode(bytes);
}
