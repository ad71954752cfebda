import { join } from 'node:path';
import { artefactCache, artefactKey } from '../../artefact-cache.ts';
import type { TranspiledComponent } from './transpile.ts';
import { JCO_TRANSPILE_VERSION, WORLD } from './world.ts';

/** A component of the largest size allowed transpiles to little more than itself. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Transpiled components in a folder. */
export interface ComponentCache {
  read(sha256: string): Promise<TranspiledComponent | undefined>;
  /** Best effort. */
  write(sha256: string, component: TranspiledComponent): Promise<void>;
}

/**
 * The cache under `cacheDir`. The key covers what the result depends on: the component's digest, the version of the
 * transpiler and the world. The first part of a file is the glue, the others are the core modules.
 */
export function componentCache(cacheDir: string): ComponentCache {
  const cache = artefactCache({
    folder: join(cacheDir, 'components'),
    format: 'portcullis-component-2',
    maxBytes: MAX_FILE_BYTES,
  });
  const keyOf = (sha256: string): string => artefactKey(sha256, JCO_TRANSPILE_VERSION, WORLD);
  return {
    async read(sha256) {
      const [glue, ...coreModules] = (await cache.read(keyOf(sha256))) ?? [];
      return glue === undefined ? undefined : { glue: new TextDecoder().decode(glue), coreModules };
    },
    async write(sha256, { glue, coreModules }) {
      await cache.write(keyOf(sha256), [new TextEncoder().encode(glue), ...coreModules]);
    },
  };
}
