import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@portcullis/protocol';
import type { Fetcher } from 'tuf-js';
import { ArtifactError } from '../../errors.ts';
import { readFileBounded } from '../../file.ts';
import type { ArtifactLog } from '../../log.ts';
import type { Transport } from '../../transport/transport.ts';
import { singleAttempt } from './single-attempt.ts';
import { trustRootFrom } from './trust-config.ts';
import type { TrustRoot, TrustRootSource } from './trust-root.ts';
import { offlineFetcher, tufFetcher } from './tuf-fetcher.ts';
import { publicGoodRepository, type TufRepository } from './tuf-repository.ts';

export interface PublicGoodOptions {
  /** Where TUF metadata is kept between runs. Made when it is not there. */
  readonly cacheFolder: string;
  readonly transport: Transport;
  readonly log: ArtifactLog;
  /** @default that of the Sigstore project */
  readonly repository?: TufRepository;
  readonly nowMs?: () => number;
}

const TARGET_NAME = 'trusted_root.json';
const MAX_TARGET_BYTES = 4 * 1024 * 1024;

/**
 * The trust root of the public Sigstore instance, by The Update Framework: asked for when it is first needed, refreshed once
 * per process. Without network the stored metadata serves until it expires; nothing that has expired is ever believed.
 */
export function publicGoodTrustRoot(options: PublicGoodOptions): TrustRootSource {
  return {
    needsNetwork: true,
    trustRoot: singleAttempt(() => findTrustRoot(options), options.nowMs ?? Date.now),
  };
}

async function findTrustRoot(options: PublicGoodOptions): Promise<TrustRoot> {
  const repository = options.repository ?? publicGoodRepository();
  const folder = join(
    options.cacheFolder,
    encodeURIComponent(repository.url.host + repository.url.pathname.replace(/\/$/, '')),
  );
  try {
    await seed(folder, repository);
    return await refreshed(folder, repository, options);
  } catch (error) {
    throw new ArtifactError(
      'trust-root-unavailable',
      `could not get the Sigstore trust root from ${repository.url.origin}: ${reasonOf(error)} – let the program reach it, ` +
        'or give a file with --sigstore-trust-config',
      { cause: error },
    );
  }
}

async function refreshed(folder: string, { url }: TufRepository, options: PublicGoodOptions): Promise<TrustRoot> {
  try {
    return await update({ folder, url, fetcher: tufFetcher(options.transport, folder), forceCache: false });
  } catch (error) {
    const stored = await update({ folder, url, fetcher: offlineFetcher(), forceCache: true }).catch(() => undefined);
    if (stored === undefined) throw error;
    const message = 'Cannot refresh the Sigstore trust root, using the stored one, which has not expired';
    options.log({ level: 'warn', target: 'policy_fetcher::verify', message, fields: { error: reasonOf(error) } });
    return stored;
  }
}

interface Update {
  readonly folder: string;
  readonly url: URL;
  readonly fetcher: Fetcher;
  readonly forceCache: boolean;
}

async function update({ folder, url, fetcher, forceCache }: Update): Promise<TrustRoot> {
  const { Updater } = await import('tuf-js');
  const base = url.href.replace(/\/$/, '');
  const targetDir = join(folder, 'targets');
  const updater = new Updater({
    metadataDir: folder,
    metadataBaseUrl: base,
    targetDir,
    targetBaseUrl: `${base}/targets`,
    fetcher,
    forceCache,
  });
  await updater.refresh();
  const target = await updater.getTargetInfo(TARGET_NAME);
  if (target === undefined) throw new Error(`the repository has no ${TARGET_NAME}`);
  const path = (await updater.findCachedTarget(target)) ?? (await updater.downloadTarget(target));
  const bytes = await readFileBounded(path, MAX_TARGET_BYTES);
  return trustRootFrom(JSON.parse(new TextDecoder().decode(bytes)));
}

/** A first root, and another one where a crash left half a file: the way from it to the newest is checked step by step. */
async function seed(folder: string, repository: TufRepository): Promise<void> {
  await mkdir(join(folder, 'targets'), { recursive: true });
  if (await isJson(join(folder, 'root.json'))) return;
  await replaceFile(join(folder, 'root.json'), await repository.root());
  for (const [name, bytes] of await repository.targets()) {
    await replaceFile(join(folder, 'targets', encodeURIComponent(name)), bytes);
  }
}

async function isJson(path: string): Promise<boolean> {
  try {
    JSON.parse(await readFile(path, 'utf8'));
    return true;
  } catch {
    return false;
  }
}

async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, bytes);
  await rename(draft, path);
}

/** The client wraps what happened in an error of its own. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${messageOf(error)}: ${messageOf(cause)}` : messageOf(error);
}
