import type binaryenNamespace from 'binaryen';
import { BuildError } from './errors.ts';
import { ENGINE_FUNCTIONS, GLUE } from './glue.ts';

type Binaryen = typeof binaryenNamespace;
type BinaryenModule = ReturnType<Binaryen['readBinary']>;

/**
 * Links the QuickJS engine and the waPC glue into one module that imports only `wapc.*` and exports `memory` and
 * `__guest_call`. It holds no policy yet: its memory is replaced by a policy's image. Slow (about two seconds), therefore done
 * once per engine version and cached.
 */
export async function linkEngine(quickjs: Uint8Array): Promise<Uint8Array> {
  // binaryen is 10 MB of JavaScript: loaded only when an engine has to be linked.
  const { default: binaryen } = await import('binaryen');
  const engine = binaryen.readBinary(quickjs);
  const glue = binaryen.parseText(bindEngineFunctions(binaryen, engine));
  try {
    // Features every waPC host knows. Without the later ones binaryen does not emit their types either.
    const { MutableGlobals, NontrappingFPToInt, SignExt, BulkMemory, BulkMemoryOpt } = binaryen.Features;
    engine.setFeatures(MutableGlobals | NontrappingFPToInt | SignExt | BulkMemory | BulkMemoryOpt);
    removeExports(binaryen, engine);
    const slots = removeEngineImports(binaryen, engine);
    addGlue(binaryen, { engine, glue, slots });
    engine.runPasses(['remove-unused-module-elements', 'strip-debug', 'strip-producers', 'strip-target-features']);
    if (engine.validate() !== 1) {
      throw new BuildError(
        'engine-invalid',
        'The linked engine is not a valid module - reinstall the dependencies of the SDK',
      );
    }
    return engine.emitBinary();
  } finally {
    glue.dispose();
    engine.dispose();
  }
}

/** The glue's `$qjs_call` becomes the engine's own name of the function that is exported as `qjs_call`. */
function bindEngineFunctions(binaryen: Binaryen, engine: BinaryenModule): string {
  return ENGINE_FUNCTIONS.reduce((text, name) => {
    const internalName = binaryen.getExportInfo(engine.getExport(name)).value;
    return text.replaceAll(new RegExp(`\\$${name}(?![a-z_])`, 'g'), () => `$${internalName}`);
  }, GLUE);
}

function removeExports(binaryen: Binaryen, engine: BinaryenModule): void {
  const names = Array.from(
    { length: engine.getNumExports() },
    (_, index) => binaryen.getExportInfo(engine.getExportByIndex(index)).name,
  );
  for (const name of names) if (name !== 'memory') engine.removeExport(name);
}

/** Frees the names of the engine's imported functions; calls refer to names, so whatever takes a name answers its calls. */
function removeEngineImports(binaryen: Binaryen, engine: BinaryenModule): Map<string, string> {
  const imports = functionsOf(binaryen, engine).filter((info) => info.module);
  for (const { name } of imports) engine.removeFunction(name);
  return new Map(imports.map((info) => [`${info.module}.${info.base}`, info.name]));
}

function addGlue(
  binaryen: Binaryen,
  { engine, glue, slots }: { engine: BinaryenModule; glue: BinaryenModule; slots: Map<string, string> },
): void {
  const exportNames = new Map<string, string>();
  for (let index = 0; index < glue.getNumExports(); index++) {
    const { name, value } = binaryen.getExportInfo(glue.getExportByIndex(index));
    exportNames.set(value, name);
  }
  for (const info of functionsOf(binaryen, glue)) {
    if (info.module === 'engine') continue;
    if (info.module === 'wapc') {
      engine.addFunctionImport(info.name, 'wapc', String(info.base), info.params, info.results);
      continue;
    }
    const exportName = exportNames.get(info.name) ?? info.name;
    const slot = slots.get(exportName);
    engine.addFunction(slot ?? info.name, info.params, info.results, info.vars, engine.copyExpression(info.body));
    if (slot) slots.delete(exportName);
  }
  if (slots.size > 0) {
    throw new BuildError(
      'engine-invalid',
      `The JavaScript engine imports ${[...slots.keys()].join(', ')}, which the SDK does not answer - use the pinned quickjs-wasi`,
    );
  }
  engine.addFunctionExport('__guest_call', '__guest_call');
}

function functionsOf(binaryen: Binaryen, module: BinaryenModule): ReturnType<Binaryen['getFunctionInfo']>[] {
  return Array.from({ length: module.getNumFunctions() }, (_, index) =>
    binaryen.getFunctionInfo(module.getFunctionByIndex(index)),
  );
}
