import { readSections } from '@portcullis/protocol';
import { BinaryReader } from './binary-reader.ts';
import { invalidComponent } from './errors.ts';
import type { TranspiledComponent } from './transpile.ts';

const MEMORY_SECTION = 5;

/** Each has tables, stacks and wrappers of its own; real policies have 13. */
const MAX_CORE_INSTANCES = 256;

/**
 * The pages each core module may have, so that all memories of one evaluation together stay within `maxPages`: each gets what it
 * needs at start, and the rest is shared out in proportion to that. (A QuickJS policy has one memory of some size and two of a
 * page.) A module that imports its memory takes that of another one: for it the whole limit stands.
 *
 * @throws EvaluationError `module-invalid` when the component cannot even start within the limit.
 */
export function memoryShares({ glue, coreModules }: TranspiledComponent, maxPages: number): number[] {
  const counts = instanceCounts(glue, coreModules.length);
  const minima = coreModules.map(minimumPages);
  const needed = minima.reduce<number>((sum, pages, index) => sum + (pages ?? 0) * (counts[index] ?? 0), 0);
  if (needed > maxPages) {
    throw invalidComponent(`the component needs ${needed} pages of memory at start, at most ${maxPages} are allowed`);
  }
  const factor = needed === 0 ? 1 : maxPages / needed;
  return minima.map((pages) => (pages === undefined ? maxPages : Math.floor(pages * factor)));
}

/** How often the glue instantiates each module. The glue is flat: nested components are written out in it. */
function instanceCounts(glue: string, modules: number): number[] {
  const counts = Array.from({ length: modules }, () => 0);
  let total = 0;
  for (const [, index] of glue.matchAll(/\binstantiateCore\(module(\d+)\b/g)) {
    counts[Number(index)] = (counts[Number(index)] ?? 0) + 1;
    total++;
  }
  if (total === 0 || total > MAX_CORE_INSTANCES) {
    throw invalidComponent(`the component makes ${total} core instances, expected 1 to ${MAX_CORE_INSTANCES}`);
  }
  return counts;
}

/** Pages of the module's own memory at start, `undefined` when it imports its memory or has none. A memory of no page counts as one. */
function minimumPages(bytes: Uint8Array): number | undefined {
  const section = readSections(bytes).find(({ id }) => id === MEMORY_SECTION);
  if (section === undefined) return undefined;
  const reader = new BinaryReader(bytes, section.payloadStart, section.end);
  if (reader.u32() === 0) return undefined;
  reader.u32();
  return Math.max(1, reader.u32());
}
