import {
  MAX_MODULE_BYTES,
  ArtifactError,
  createPolicyFetcher,
  shownModuleLocation,
  PolicyStore,
  type FetchedPolicy,
  type FetchOptions,
  type ModuleLocation,
  type PolicyFetcher,
} from '@portcullis/artifact';
import type { CommandArguments } from './command-line/command.ts';
import { storeFolder, type CommandContext } from './environment.ts';
import { readFile } from './file.ts';
import { openRegistryAccess, type RegistryAccess } from './options/source.ts';
import { notValidated, openVerification } from './options/verification.ts';

/** Brings policies to the user's store, from where and how the command line says. */
export interface CommandFetcher extends PolicyFetcher, AsyncDisposable {
  readonly access: RegistryAccess;
}

/**
 * Prepares what a command with source and verification options fetches policies with. No connection is made.
 *
 * @throws ArtifactError `sources-invalid`, `verification-config-invalid` or `trust-root-unavailable`
 */
export async function openPolicyFetcher(given: CommandArguments, context: CommandContext): Promise<CommandFetcher> {
  await using cleanup = new AsyncDisposableStack();
  const access = cleanup.use(await openRegistryAccess(given, context));
  const verifier = await openVerification(given, context, access);
  const fetcher = createPolicyFetcher({
    transport: access.transport,
    client: access.client,
    store: new PolicyStore(storeFolder(context.environment)),
    maxBytes: MAX_MODULE_BYTES,
    log: context.log,
    readFile,
    ...(verifier !== undefined && { verifier, unsignedFiles: verifier.unsignedFiles }),
  });
  const fetch = async (location: ModuleLocation, options?: FetchOptions): Promise<FetchedPolicy> => {
    try {
      return await fetcher.fetch(location, options);
    } catch (error) {
      throw worded(error, location);
    }
  };
  const resources = cleanup.move();
  return {
    access,
    fetch,
    read: (policy) => fetcher.read(policy),
    load: async (location, options) => fetcher.read(await fetch(location, options)),
    settled: () => fetcher.settled(),
    async [Symbol.asyncDispose]() {
      await resources.disposeAsync();
      await fetcher.settled();
    },
  };
}

/** What is in no registry never came to the verifier, whose words these are. */
function worded(error: unknown, location: ModuleLocation): unknown {
  const isUnsignable =
    error instanceof ArtifactError && error.stage === 'verification' && location.scheme !== 'registry';
  return isUnsignable ? notValidated(shownModuleLocation(location), error) : error;
}
