import { ArtifactError, parseRegistryLocation } from '@portcullis/artifact';
import type { CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { openRegistryAccess } from '../../options/source.ts';
import { notValidated, openVerification } from '../../options/verification.ts';
import { verificationJson } from './verification-json.ts';

/** `kwctl verify`: asks the registry, never the store. */
export async function verify(given: CommandArguments, context: CommandContext): Promise<void> {
  const [uri = ''] = given.positionals;
  await using access = await openRegistryAccess(given, context);
  const verifier = await openVerification(given, context, access);
  if (verifier === undefined) {
    throw new ArtifactError(
      'verification-config-invalid',
      'could not retrieve sigstore options – say who must have signed, with --verification-config-path or --verification-key, for example',
    );
  }
  const { reference } = locate(uri);
  const verified = await verifier.verify(reference);
  if (given.options.has('json')) context.environment.write(verificationJson(reference, verified));
}

function locate(uri: string): ReturnType<typeof parseRegistryLocation> {
  try {
    return parseRegistryLocation(uri);
  } catch (error) {
    throw notValidated(uri, error);
  }
}
