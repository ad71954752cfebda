import { setFlagsFromString } from 'node:v8';

/** Cores for each thread of the engine's optimising compiler. */
const CORES_PER_COMPILER = 4;

/**
 * Bounds how many threads of the process the engine's optimising compiler may have, from now on. By itself it takes up to four
 * of them whenever code is hot, on however few cores: guests that start then have to share their cores with it, and a server
 * whose modules are large spends more than half of its start on code that runs at the start only. Code that waits to be optimised
 * runs all the same.
 */
export function boundBackgroundCompilation(cores: number): void {
  setFlagsFromString(`--wasm-num-compilation-tasks=${Math.max(1, Math.floor(cores / CORES_PER_COMPILER))}`);
}
