import { join } from 'node:path';
import {
  createDockerCredentials,
  createRegistryClient,
  createTransport,
  loadSources,
  NO_SOURCES,
  proxiesFromEnvironment,
  type CredentialSource,
  type RegistryClient,
  type Sources,
  type Transport,
} from '@portcullis/artifact';
import { optionValue, type CommandArguments } from '../command-line/command.ts';
import { configFolder, type CommandContext } from '../environment.ts';
import { exists, readFile } from '../file.ts';

/** How a command reaches registries and web servers. */
export interface RegistryAccess extends AsyncDisposable {
  readonly transport: Transport;
  readonly client: RegistryClient;
  readonly sources: Sources;
  readonly credentials: CredentialSource;
}

/**
 * Prepares the access to registries that `--sources-path`, `--docker-config-json-path` and the environment describe. No
 * connection is made.
 *
 * @throws ArtifactError `sources-invalid`
 */
export async function openRegistryAccess(given: CommandArguments, context: CommandContext): Promise<RegistryAccess> {
  const { environment, log } = context;
  const sources = await readSources(given, context);
  const credentials = createDockerCredentials({ folder: await dockerFolder(given, context), log, readFile });
  const transport = createTransport({
    sources,
    proxies: proxiesFromEnvironment(environment.env),
    log,
  });
  const client = createRegistryClient({ transport, credentials, log, mirrors: sources.mirrors });
  return { transport, client, sources, credentials, [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() };
}

/** The file of `--sources-path` must be there; the one in the user's folder may be. */
export async function readSources(given: CommandArguments, { environment }: CommandContext): Promise<Sources> {
  const path = optionValue(given, 'sources-path');
  if (path !== undefined) return loadSources(path, readFile);
  const ownPath = join(configFolder(environment), 'sources.yaml');
  return (await exists(ownPath)) ? loadSources(ownPath, readFile) : NO_SOURCES;
}

async function dockerFolder(given: CommandArguments, { environment, log }: CommandContext): Promise<string> {
  const folder = optionValue(given, 'docker-config-json-path');
  if (folder === undefined) return environment.env['DOCKER_CONFIG'] || join(environment.home, '.docker');
  const path = join(folder, 'config.json');
  if (!(await exists(path))) {
    log({
      level: 'warn',
      target: 'kwctl',
      message:
        'Docker config file not found. Check if you are pointing to the directory containing the file. ' +
        `The file path should be ${path}.`,
    });
  }
  return folder;
}
