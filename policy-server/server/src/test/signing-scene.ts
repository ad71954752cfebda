import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createSigstore,
  OCI_MANIFEST,
  ProgrammableRegistry,
  simpleSigningPayload,
  type SignatureLayer,
  type Sigstore,
} from '@portcullis/testkit';
import type { Test } from 'tap';
import { documentFile } from './server-process.ts';
import { folder } from './test-server.ts';

let stores = 0;

export interface Keys {
  readonly privateKey: KeyObject;
  readonly pem: string;
}

export function newKeys(): Keys {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
}

/** A registry of signed policies, and those who sign. */
export interface SigningScene {
  readonly registry: ProgrammableRegistry;
  readonly sigstore: Sigstore;
  readonly keys: Keys;
  readonly trustConfig: string;
  readonly store: string;
  readonly flags: (verification: object) => Promise<string[]>;
  /** Puts signatures where cosign puts them. */
  readonly sign: (repository: string, digest: string, layers: readonly SignatureLayer[]) => void;
  readonly byKey: (digest: string, optional?: Record<string, string>, keys?: Keys) => SignatureLayer;
}

export async function signingScene(t: Test): Promise<SigningScene> {
  const registry = await ProgrammableRegistry.start();
  t.teardown(() => registry[Symbol.asyncDispose]());
  const sigstore = await createSigstore();
  const store = join(folder, `verified-${stores++}`);
  await mkdir(store);
  const trustConfig = join(store, 'trust.json');
  await writeFile(trustConfig, sigstore.trustConfig());
  const keys = newKeys();
  return {
    registry,
    sigstore,
    keys,
    trustConfig,
    store,
    flags: async (verification) => [
      `--sources-path=${await documentFile({ insecure_sources: [registry.host] })}`,
      `--verification-path=${await documentFile(verification)}`,
      `--sigstore-trust-config=${trustConfig}`,
      `--policies-download-dir=${store}`,
    ],
    sign(repository, digest, layers) {
      const manifest = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: descriptor(registry, repository, Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json'),
        layers: layers.map(({ payload, annotations }) => ({
          ...descriptor(registry, repository, payload, 'application/vnd.dev.cosign.simplesigning.v1+json'),
          annotations,
        })),
      };
      registry.serveManifest(repository, manifest, OCI_MANIFEST, [`${digest.replace(':', '-')}.sig`]);
    },
    byKey(digest, optional, { privateKey } = keys) {
      const payload = simpleSigningPayload({ digest, repository: 'x', ...(optional && { optional }) });
      return sigstore.signLegacy(payload, { privateKey }, { entry: 'absent' });
    },
  };
}

export function descriptor(
  registry: ProgrammableRegistry,
  repository: string,
  bytes: Uint8Array,
  mediaType: string,
): { readonly mediaType: string; readonly digest: string; readonly size: number } {
  return { mediaType, digest: registry.serveBlob(repository, bytes), size: bytes.length };
}

/** A verification config all of whose entries must be met. */
export const asking = (...allOf: readonly object[]): object => ({ apiVersion: 'v1', allOf });
