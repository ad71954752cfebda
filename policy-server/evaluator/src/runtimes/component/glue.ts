import vm from 'node:vm';
import type { CoreModule } from './core-module.ts';
import { initialisationFailed, invalidComponent } from './errors.ts';
import type { ComponentImports } from './imports.ts';
import { coreModuleIndex } from './transpile.ts';

/** The two exports of the world, as the glue offers them. */
export interface PolicyExports {
  readonly validate: (payload: Uint8Array) => Promise<unknown>;
  readonly validateSettings: (settings: Uint8Array) => Promise<unknown>;
}

/** Timers of one evaluation: the glue polls with them, and must not go on when nobody waits for the evaluation any more. */
export interface EvaluationTimers {
  readonly setTimeout: (callback: () => void, delayMs: number) => unknown;
  readonly clearAll: () => void;
}

export type Instantiate = (imports: ComponentImports, timers: EvaluationTimers) => Promise<PolicyExports>;

type GlueFunction = (
  setTimeout: EvaluationTimers['setTimeout'],
) => (getCoreModule: (file: string) => CoreModule, imports: ComponentImports) => unknown;

/**
 * The glue's `instantiate` with a way of ours to instantiate core modules. It lies in the glue's realm: the glue knows a trap by
 * the `RuntimeError` of its own `WebAssembly`.
 */
const WITH_CORE_MODULES = `(getCoreModule, imports) =>
  instantiate(getCoreModule, imports, (core, own) => new WebAssembly.Instance(core.module, core.completeImports(own)))`;

/**
 * Makes a component's glue runnable; every call of the result is a new instance that shares nothing with others.
 *
 * The glue runs as a script in a context of its own rather than as a `data:` module, because
 * - modules are kept by their URL for the life of the thread, a script goes when its policy goes;
 * - the context offers nothing but the language, WebAssembly and the four things the glue needs: no `process`, no `fetch`,
 *   no `eval`. That is a second fence behind `inspectComponent`, not a wall: `node:vm` is no security boundary;
 * - stack traces name a short file instead of 190 kB of URL.
 */
export function loadGlue(glue: string, modules: readonly CoreModule[], name: string): Instantiate {
  const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, { codeGeneration: { strings: false, wasm: true } });
  Object.assign(context, { TextDecoder, TextEncoder, queueMicrotask, console: { error() {} } });
  const script = new vm.Script(`(function (setTimeout) { "use strict";\n${glue}\nreturn ${WITH_CORE_MODULES}; })`, {
    filename: `${name}.glue.js`,
  });
  const factory = script.runInContext(context) as GlueFunction;
  return async (imports, timers) => {
    const getCoreModule = (file: string): CoreModule => {
      const module = modules[coreModuleIndex(file) ?? -1];
      if (module === undefined) throw invalidComponent(`the glue asks for an unknown core module: ${file}`);
      return module;
    };
    try {
      return policyExports(await factory(timers.setTimeout)(getCoreModule, imports));
    } catch (error) {
      throw initialisationFailed(error);
    }
  };
}

/** Timers that can be cleared together. */
export function evaluationTimers(): EvaluationTimers {
  const running = new Set<NodeJS.Timeout>();
  return {
    setTimeout(callback, delayMs) {
      const timer = setTimeout(() => {
        running.delete(timer);
        callback();
      }, delayMs);
      timer.unref();
      running.add(timer);
      return undefined;
    },
    clearAll() {
      for (const timer of running) clearTimeout(timer);
      running.clear();
    },
  };
}

function policyExports(instance: unknown): PolicyExports {
  const { validate, validateSettings } = instance as PolicyExports;
  if (typeof validate !== 'function' || typeof validateSettings !== 'function') {
    throw invalidComponent('the component does not export `validate` and `validate-settings`');
  }
  return { validate, validateSettings };
}
