import { MAX_MUTABLE_GLOBALS, isNumeric } from './additions.ts';
import type { CodeFacts } from './code.ts';
import type { ModuleView } from './module.ts';
import type { ImageProof } from './plan.ts';

/**
 * Whether memory and mutable globals are all the state an instance has, so that an instance brought back to its image is the
 * same as a fresh one. What else could change: tables and segments, by instructions that write or drop them; globals the host
 * cannot set; what a module shares with others.
 *
 * Passive segments and tables that are only read stay as they are. The host writes to no table. Objects of the garbage-collected
 * heap need instructions the link step does not let pass.
 */
export function proveImage({ globals, importsTable }: ModuleView, facts: CodeFacts | undefined): ImageProof {
  const mutable = globals.filter((each) => each.mutable);
  if (facts?.writesTables === true) return uncovered('its code writes to a table');
  if (facts?.dropsSegments === true) return uncovered('its code drops data it was loaded with');
  if (importsTable) return uncovered('it imports a table');
  if (mutable.some((each) => each.imported)) return uncovered('it imports a mutable global');
  if (!mutable.every((each) => isNumeric(each.type))) {
    return uncovered('it has a mutable global that holds a reference or a vector');
  }
  if (mutable.length > MAX_MUTABLE_GLOBALS) {
    return uncovered(`it has ${mutable.length} mutable globals, at most ${MAX_MUTABLE_GLOBALS} are brought back`);
  }
  return { covered: true };
}

function uncovered(reason: string): ImageProof {
  return { covered: false, reason };
}
