import { ArtifactError, shownModuleLocation } from '@portcullis/artifact';
import { messageOf } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../command-line/command.ts';
import type { CommandContext } from '../../environment.ts';
import { startPullProgress } from '../../output/progress.ts';
import { openPolicyFetcher } from '../../policy-fetcher.ts';
import { located } from '../../policy-location.ts';

/** `kwctl pull`: brings a policy to the store, or to a file. */
export async function pull(given: CommandArguments, context: CommandContext): Promise<void> {
  const { interruptible } = context.environment;
  if (interruptible === undefined) return bring(given, context, undefined);
  return interruptible((signal) => bring(given, context, signal));
}

async function bring(given: CommandArguments, context: CommandContext, signal: AbortSignal | undefined): Promise<void> {
  const location = located(given.positionals[0] ?? '');
  const outputPath = optionValue(given, 'output-path');
  const progress = await startPullProgress(shownModuleLocation(location), context.environment);
  try {
    await using fetcher = await openPolicyFetcher(given, {
      ...context,
      log: (record) => {
        progress.interrupt();
        context.log(record);
      },
    });
    await fetcher.fetch(location, { outputPath, signal, onProgress: (received) => progress.onProgress(received) });
  } catch (error) {
    if (signal?.aborted === true) progress.interrupt();
    else progress.fail(error instanceof ArtifactError ? error.message : messageOf(error));
    throw error;
  }
  progress.succeed();
}
