import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModuleLocation } from '../location.ts';
import { Draft } from '../store/draft.ts';
import { outputPlace } from '../store/output-file.ts';
import type { DraftOptions, PolicyStore } from '../store/store.ts';

/** Where a fetched module goes. */
export interface Destination {
  readonly path: string;
  open(options?: DraftOptions): Promise<Draft>;
}

export function storeDestination(store: PolicyStore, location: ModuleLocation): Destination {
  return { path: store.pathOf(location), open: (options) => store.create(location, options) };
}

/** A path somebody gave: a folder gets the file under the last segment of the location. What is there is replaced. */
export async function outputDestination(outputPath: string, location: ModuleLocation): Promise<Destination> {
  const isFolder = await stat(outputPath).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  const path = isFolder ? join(outputPath, lastSegment(location)) : outputPath;
  return { path, open: async () => Draft.open(await outputPlace(path)) };
}

function lastSegment(location: ModuleLocation): string {
  switch (location.scheme) {
    case 'file':
      return nameIn(location.path);
    case 'registry':
      return nameIn(location.url);
    case 'http':
    case 'https':
      return nameIn(new URL(location.url).pathname) || 'policy.wasm';
  }
}

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
