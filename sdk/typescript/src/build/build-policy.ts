import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeUtf8, METADATA_SECTION, replaceCustomSection, stringifyMetadata } from '@portcullis/protocol';
import type { PolicyMetadata } from '@portcullis/protocol';
import { bundlePolicy } from './bundle.ts';
import type { Bundle } from './bundle.ts';
import { createFolderCache, digestOf, noCache, sha256 } from './cache.ts';
import type { BuildCache } from './cache.ts';
import { linkEngine } from './engine.ts';
import { GLUE } from './glue.ts';
import { placeImage } from './image.ts';
import { takeSnapshot } from './snapshot.ts';

/** Changed when the same inputs are to give another module. */
const FORMAT = 'policy-1';

const MEBIBYTE = 1024 * 1024;
/** What the module may grow to beyond the JavaScript heap: the payload, answers of the host, the stack. */
const MEMORY_BESIDE_HEAP_BYTES = 32 * MEBIBYTE;

export type BuildStep = 'bundle' | 'link-engine' | 'snapshot';

export interface PolicyBuildOptions {
  /** Path of the file that exports `policy`. */
  readonly entry: string;
  readonly metadata: PolicyMetadata;
  /** What paths in messages are relative to. @default the folder of `entry` */
  readonly baseFolder?: string | undefined;
  /** Where finished modules and the linked engine are kept. @default nothing is kept */
  readonly cacheDir?: string | undefined;
  /** What the policy's values may take. @default 64 MiB */
  readonly heapBytes?: number | undefined;
  /** Called when a step begins. */
  readonly onStep?: ((step: BuildStep) => void) | undefined;
}

/** A finished policy module and where its bytes come from. */
export interface PolicyBuild {
  readonly module: Uint8Array;
  /** Lower-case hex. */
  readonly sha256: string;
  /** The module was taken from the cache. */
  readonly cached: boolean;
  /** JavaScript of the policy, the SDK and what they import. */
  readonly scriptBytes: number;
  /** The same by file. */
  readonly inputBytes: ReadonlyMap<string, number>;
}

/**
 * Builds a policy written in TypeScript: one waPC module that imports only `wapc.*`, with its metadata embedded. The same
 * inputs give the same bytes.
 *
 * @throws BuildError
 */
export async function buildPolicy(options: PolicyBuildOptions): Promise<Uint8Array> {
  return (await buildPolicyWithReport(options)).module;
}

/** Like {@link buildPolicy}, and says what the module is made of. */
export async function buildPolicyWithReport(options: PolicyBuildOptions): Promise<PolicyBuild> {
  const { metadata, cacheDir, heapBytes = 64 * MEBIBYTE, onStep } = options;
  const cache = cacheDir === undefined ? noCache : createFolderCache(cacheDir);
  onStep?.('bundle');
  const entry = resolve(options.entry);
  const bundle = await bundlePolicy(entry, resolve(options.baseFolder ?? dirname(entry)));
  const quickjs = await readEngine();
  const metadataJson = stringifyMetadata(metadata);
  const key = digestOf(FORMAT, engineKey(quickjs), bundle.script, metadataJson, String(heapBytes));
  const known = await cache.read(key);
  if (known) return report(known, bundle, true);
  const engine = await linkedEngine(quickjs, cache, onStep);
  onStep?.('snapshot');
  const image = await takeSnapshot(quickjs, bundle.script, { heapBytes });
  const plain = placeImage(engine, image, heapBytes + MEMORY_BESIDE_HEAP_BYTES);
  const module = replaceCustomSection(plain, METADATA_SECTION, encodeUtf8(metadataJson));
  await cache.write(key, module);
  return report(module, bundle, false);
}

function report(module: Uint8Array, { script, inputBytes }: Bundle, cached: boolean): PolicyBuild {
  return { module, sha256: sha256(module), cached, scriptBytes: Buffer.byteLength(script), inputBytes };
}

async function readEngine(): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await readFile(fileURLToPath(import.meta.resolve('quickjs-wasi/quickjs.wasm'))));
}

function engineKey(quickjs: Uint8Array): string {
  return digestOf('engine-1', quickjs, GLUE);
}

/** Linking takes two seconds: policies built side by side in one process share it. */
const linking = new Map<string, Promise<Uint8Array>>();

async function linkedEngine(
  quickjs: Uint8Array,
  cache: BuildCache,
  onStep: PolicyBuildOptions['onStep'],
): Promise<Uint8Array> {
  const key = engineKey(quickjs);
  const known = await cache.read(key);
  if (known) return known;
  onStep?.('link-engine');
  const flight = linking.get(key) ?? linkEngine(quickjs);
  linking.set(key, flight);
  const engine = await flight;
  await cache.write(key, engine);
  return engine;
}
