import { readSections } from '@portcullis/protocol';
import { capMemory } from '../../link/memory.ts';
import { BinaryReader } from './binary-reader.ts';
import { invalidComponent } from './errors.ts';
import type { TranspiledComponent } from './transpile.ts';

const MEMORY_SECTION = 5;

/** Each has tables, stacks and wrappers of its own; real policies have 13. */
const MAX_CORE_INSTANCES = 256;

/**
 * Gives every memory of a component its share of `maxPages`, so that all memories of one evaluation together stay within
 * the limit: each gets what it needs at start, and the rest is shared out in proportion to that. (A QuickJS policy has
 * one memory of some size and two of a page.)
 *
 * @throws EvaluationError `module-invalid` when the component cannot even start within the limit.
 */
export function capMemories({ glue, coreModules }: TranspiledComponent, maxPages: number): Uint8Array[] {
  const counts = instanceCounts(glue, coreModules.length);
  const minima = coreModules.map(minimumPages);
  const needed = minima.reduce<number>((sum, pages, index) => sum + (pages ?? 0) * (counts[index] ?? 0), 0);
  if (needed > maxPages) {
    throw invalidComponent(`the component needs ${needed} pages of memory at start, at most ${maxPages} are allowed`);
  }
  const factor = needed === 0 ? 1 : maxPages / needed;
  return coreModules.map((bytes, index) => {
    const pages = minima[index];
    return pages === undefined ? bytes : capMemory(bytes, Math.floor(pages * factor));
  });
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
