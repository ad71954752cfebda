import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorText } from '@portcullis/artifact';
import type { GroupVersionKind } from '@portcullis/protocol';
import { cacheFolder, type CommandContext } from '../environment.ts';
import { KwctlError } from '../errors.ts';
import { collect, writeWholeFile } from '../file.ts';
import { createApiClient } from './api-client.ts';
import { discoverResources } from './discovery.ts';
import { inferAccess } from './inferred-access.ts';
import {
  findResource,
  parseCatalog,
  stringifyCatalog,
  type ResourceCatalog,
  type ResourceScope,
} from './resource-catalog.ts';

const CATALOG_FILE = 'resource_catalog.json';
const MAX_CATALOG_BYTES = 64 * 2 ** 20;

/**
 * What the cluster knows of a kind: from the catalog that was kept, or by asking the cluster, once. What it then serves is
 * kept. Without a cluster nothing is kept, and there is a warning.
 */
export async function lookUpResource(
  kind: GroupVersionKind,
  context: CommandContext,
): Promise<ResourceScope | undefined> {
  const { environment, log } = context;
  const folder = cacheFolder(environment);
  const kept = await readCatalog(join(folder, CATALOG_FILE), context);
  const known = kept && findResource(kept, kind);
  if (known !== undefined) return known;
  try {
    const catalog = await askCluster(kind, context);
    await keepCatalog(folder, catalog, context);
    const found = findResource(catalog, kind);
    if (found === undefined) warn(log, kind, 'the cluster does not serve it');
    return found;
  } catch (error) {
    if (!(error instanceof KwctlError)) throw error;
    warn(log, kind, error.message);
    return undefined;
  }
}

async function askCluster(kind: GroupVersionKind, { environment, log }: CommandContext): Promise<ResourceCatalog> {
  using client = createApiClient(await inferAccess(environment), { env: environment.env });
  return await discoverResources(client, kind, log);
}

/** A catalog that cannot be read is as good as none: it is made again. */
async function readCatalog(path: string, { log }: CommandContext): Promise<ResourceCatalog | undefined> {
  try {
    return parseCatalog(await collect(createReadStream(path), MAX_CATALOG_BYTES));
  } catch (error) {
    const message = `no catalog of resources at ${path}: ${systemErrorText(error)}`;
    log({ level: 'debug', target: 'kwctl::kubernetes', message });
    return undefined;
  }
}

async function keepCatalog(folder: string, catalog: ResourceCatalog, { log }: CommandContext): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await writeWholeFile(join(folder, CATALOG_FILE), stringifyCatalog(catalog));
  } catch (error) {
    const message = `cannot keep the catalog of resources in ${folder}: ${systemErrorText(error)}`;
    log({ level: 'warn', target: 'kwctl::kubernetes', message });
  }
}

function warn(log: CommandContext['log'], { group, version, kind }: GroupVersionKind, reason: string): void {
  const name = `${group === '' ? '' : `${group}/`}${version}/${kind}`;
  log({
    level: 'warn',
    target: 'kwctl::scaffold::admission_request',
    message: `The plural name of ${name} is not known, the request has a placeholder that policies do not use: ${reason}`,
  });
}
