import type { ImageReference } from '@portcullis/protocol';
import { hashFile } from '../file.ts';
import type { FlightContext } from '../flights.ts';
import type { RegistryReader } from '../registry/registry.ts';
import type { Destination } from './destination.ts';
import { downloadLayer, findLayer, type ModuleLayer } from './layer.ts';
import { copyModule } from './local.ts';
import type { DownloadProgress } from './reception.ts';
import { OneAtATime } from './one-at-a-time.ts';

export interface RegistryDownload extends FlightContext<DownloadProgress> {
  /** Where the same policy may lie already. */
  readonly storedPath: string;
  readonly approve: (path: string) => Promise<void>;
}

export type RegistryDownloads = (
  reference: ImageReference,
  destination: Destination,
  download: RegistryDownload,
) => Promise<'stored' | 'downloaded'>;

/** Downloads from registries: of each one's layers the same only once at a time, and none that is here already under another name. */
export function createRegistryDownloads(options: { client: RegistryReader; maxBytes: number }): RegistryDownloads {
  const { client, maxBytes } = options;
  const turns = new OneAtATime();
  const kept = new Map<string, string>();
  return async (reference, destination, download) => {
    const { signal } = download;
    const layer = await findLayer(client, reference, { signal, maxBytes });
    const { digest } = layer.descriptor;
    // Of one registry: another that never comes to an end must not keep the same module from coming from elsewhere.
    return turns.take(`${reference.registry} ${digest}`, signal, async () => {
      const places = new Set([download.storedPath, kept.get(digest) ?? download.storedPath]);
      const origin = await reuse(layer, destination, { ...download, places, maxBytes });
      if (origin === undefined) await downloadLayer(layer, destination, { ...download, client, maxBytes });
      // What was written elsewhere is its owner's, and may be no file that can be read again.
      if (destination.path === download.storedPath) kept.set(digest, destination.path);
      return origin ?? 'downloaded';
    });
  };
}

interface Reuse extends RegistryDownload {
  readonly places: ReadonlySet<string>;
  readonly maxBytes: number;
}

/** Takes the layer from where it lies on disk; `undefined` when it does not, or not any more as it was. */
async function reuse(
  { descriptor: { digest } }: ModuleLayer,
  destination: Destination,
  { places, approve, maxBytes }: Reuse,
): Promise<'stored' | undefined> {
  for (const place of places) {
    if ((await digestOfFile(place, digest)) !== digest) continue;
    if (place !== destination.path) {
      if (!(await copyModule(place, destination, { maxBytes, digest, approve }))) continue;
    } else await approve(place);
    return 'stored';
  }
  return undefined;
}

/** By the algorithm of a digest; `undefined` when there is no such file. */
async function digestOfFile(path: string, like: string): Promise<string | undefined> {
  const algorithm = like.slice(0, like.indexOf(':'));
  try {
    return `${algorithm}:${await hashFile(path, algorithm)}`;
  } catch {
    return undefined;
  }
}
