import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OCI_MANIFEST, WASM_CONFIG, WASM_LAYER, type ProgrammableRegistry } from '@portcullis/testkit';

/** Serves a policy; answers digests of its manifest and its module. */
export function servePolicy(
  registry: ProgrammableRegistry,
  repository: string,
  bytes: Uint8Array,
  tags: readonly string[] = ['v1'],
): { readonly module: string; readonly manifest: string } {
  const empty = Buffer.from('{}');
  const module = registry.serveBlob(repository, bytes);
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: WASM_CONFIG, digest: registry.serveBlob(repository, empty), size: empty.length },
    layers: [{ mediaType: WASM_LAYER, digest: module, size: bytes.length }],
  };
  return { module, manifest: registry.serveManifest(repository, manifest, OCI_MANIFEST, tags) };
}

/** Files and folders below a folder, which need not be there. */
export async function filesIn(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)).sort();
}
