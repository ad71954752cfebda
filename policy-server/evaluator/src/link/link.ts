import { EvaluationError } from '../errors.ts';
import { type Additions, additionsTo, globalExport, type InternalExports, START_EXPORT } from './additions.ts';
import { findGoCheckpoint } from './go-checkpoint.ts';
import { ExternalKind, type ModuleView, viewModule } from './module.ts';
import {
  type Checkpoint,
  LINK_EXPORT_PREFIX,
  LINK_MODULE,
  type LinkPlan,
  MEMORY_IMPORT,
  type MemoryImport,
} from './plan.ts';
import { proveImage } from './proof.ts';
import { malformed } from './reader.ts';
import { rewriteModule } from './rewrite.ts';
import { checkEntries, SectionId } from './sections.ts';
import { checkSegments } from './segments.ts';
import { entriesOf } from './tables.ts';

export interface LinkOptions {
  /** Pages of 64 KiB the module's memory may have. */
  readonly maxPages: number;
  /**
   * `import` = an instance can be brought back to its image: the host reaches its memory, its mutable globals and its start
   * function, and its memory has a logical size. `own` = instances are used once: nothing but deadline checks and the cap.
   *
   * Either way the host makes the memory: imports come first among memories, and every access would have to be rewritten if the
   * control memory came before the module's own. `plan.memory` says what to supply.
   */
  readonly memory: 'import' | 'own';
}

export interface LinkedModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly plan: LinkPlan;
}

/**
 * Rewrites a core module so that the host can bound it, stop it and bring it back to its image. A module it cannot rewrite is not
 * run: whoever wrote it would have found the way around every bound.
 *
 * @throws EvaluationError `module-invalid`
 */
export function linkModule(bytes: Uint8Array, { maxPages, memory }: LinkOptions): LinkedModule {
  const view = viewModule(bytes);
  checkEntries(bytes);
  const exposed = memory === 'import';
  checkExports(view, exposed);
  checkSegments(view);
  const checkpoint = exposed ? checkpointOf(view) : undefined;
  const internals = checkpoint?.functions ?? new Map();
  const additions = additionsTo(view, { maxPages, exposed, internals });
  const { bytes: linked, facts } = rewriteModule(view, additions);
  const tableEntries = entriesOf(view.tables);
  const plan: LinkPlan = {
    ...memoryPlan(view, additions),
    ...(tableEntries > 0 && { tableEntries }),
    globals: additions.globals,
    ...(checkpoint && { checkpoint: checkpoint.plan }),
    image: exposed ? proveImage(view, facts) : { covered: false, reason: 'its memory was left to it' },
  };
  return { bytes: linked, plan };
}

const CHECKPOINT: Checkpoint = { read: `${LINK_EXPORT_PREFIX}read`, resume: `${LINK_EXPORT_PREFIX}resume` };

/** A Go program's checkpoint, and the functions to be exported for it. */
function checkpointOf({
  bytes,
  functionImports,
}: ModuleView): { functions: InternalExports; plan: Checkpoint } | undefined {
  // Spares all others the look at their functions.
  if (!functionImports.some(({ name }) => name === 'fd_read')) return undefined;
  const go = findGoCheckpoint(bytes);
  if (!go.found) return undefined;
  const functions = new Map([
    [CHECKPOINT.read, go.readFunction],
    [CHECKPOINT.resume, go.resumeFunction],
  ]);
  return { functions, plan: CHECKPOINT };
}

function memoryPlan(view: ModuleView, { memory, logicalSize, takesStart }: Additions): Partial<LinkPlan> {
  const { module, name } = view.memory?.imported ?? { module: LINK_MODULE, name: MEMORY_IMPORT };
  const wanted: MemoryImport | undefined = memory && {
    module,
    name,
    initialPages: memory.minimumPages,
    maximumPages: memory.maximumPages,
  };
  return {
    ...(wanted && { memory: wanted }),
    ...(logicalSize && { logicalPages: globalExport(logicalSize.globalIndex) }),
    ...(takesStart && { startFunction: START_EXPORT }),
  };
}

/** Exports must not reach what the link step appends, nor bear its names. */
function checkExports(view: ModuleView, reserved: boolean): void {
  const { exports, functionCount, globals, memory, sections } = view;
  const counts = new Map<number, number>([
    [ExternalKind.function, functionCount],
    [ExternalKind.global, globals.length],
    [ExternalKind.memory, memory === undefined ? 0 : 1],
  ]);
  for (const { name, kind, index } of exports) {
    if (index >= (counts.get(kind) ?? Infinity)) {
      throw malformed(`it exports what it has not (${index})`, sections.payloads.get(SectionId.export)?.start ?? 0);
    }
    if (reserved && name.startsWith(LINK_EXPORT_PREFIX)) {
      throw new EvaluationError(
        'module-invalid',
        `the module exports "${LINK_EXPORT_PREFIX}…", a name that is the host's own`,
      );
    }
  }
}
