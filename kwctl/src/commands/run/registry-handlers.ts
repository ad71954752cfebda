import { createRegistryCapabilities, type CapabilityHandlers } from '@portcullis/capabilities';
import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { openRegistryAccess } from '../../options/source.ts';
import { trustRootSource } from '../../options/verification.ts';

/** What answers policies that ask about images: with the sources and credentials of the command line. */
export interface RegistryHandlers extends AsyncDisposable {
  readonly handlers: CapabilityHandlers;
}

/** @throws ArtifactError `sources-invalid` */
export async function openRegistryHandlers(
  given: CommandArguments,
  context: CommandContext,
): Promise<RegistryHandlers> {
  await using cleanup = new AsyncDisposableStack();
  const access = cleanup.use(await openRegistryAccess(given, context));
  const { transport, credentials, sources } = access;
  const trustRoot = trustRootSource(given, context, access);
  const { log, environment } = context;
  const { handlers } = cleanup.use(
    createRegistryCapabilities({
      transport,
      mirrors: sources.mirrors,
      credentials,
      trustRoot,
      log,
      now: environment.now,
    }),
  );
  const resources = cleanup.move();
  return { handlers, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
