import { ERRNO } from './errno.ts';
import type { System } from './system.ts';

const encoder = new TextEncoder();

/** `args_*` and `environ_*`; the environment is always empty. */
export function argumentFunctions(system: System) {
  const { memory } = system.guest;
  const encodedWords = (): Uint8Array[] => {
    system.hasReadArguments = true;
    return system.argv.map((word) => encoder.encode(`${word}\0`));
  };
  return {
    args_sizes_get(countAt: number, sizeAt: number): number {
      const words = encodedWords();
      memory.writeU32(countAt, words.length);
      memory.writeU32(sizeAt, totalSize(words));
      return ERRNO.success;
    },
    args_get(pointersAt: number, wordsAt: number): number {
      let pointer = pointersAt >>> 0;
      let address = wordsAt >>> 0;
      for (const word of encodedWords()) {
        memory.writeU32(pointer, address);
        memory.write(address, word);
        pointer += 4;
        address += word.length;
      }
      return ERRNO.success;
    },
    environ_sizes_get(countAt: number, sizeAt: number): number {
      memory.writeU32(countAt, 0);
      memory.writeU32(sizeAt, 0);
      return ERRNO.success;
    },
    environ_get(): number {
      return ERRNO.success;
    },
  };
}

function totalSize(words: readonly Uint8Array[]): number {
  return words.reduce((size, word) => size + word.length, 0);
}
