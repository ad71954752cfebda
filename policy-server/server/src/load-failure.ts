import { ArtifactError, shownModuleLocation, type FetchStage } from '@portcullis/artifact';
import type { PolicySource } from './config/policies/entry.ts';
import { describeError } from './errors.ts';

/** What is said about a module that could not be had. */
export interface LoadFailure {
  readonly text: string;
  /** Whether the text says which policy it is about. */
  readonly namesPolicy: boolean;
}

/** Words that scripts and people know from the reference, by what was going on when it failed. */
export function loadFailure({ id, module }: PolicySource, error: unknown): LoadFailure {
  const detail = describeError(error);
  // Members of groups have been called so in logs and errors for ever.
  const name = id.replace('/', '/#');
  switch (stageOf(error)) {
    case 'verification':
      return { text: `Policy '${name}' cannot be verified: ${detail}`, namesPolicy: true };
    case 'checksum':
      return { text: `Verification of policy ${name} failed: ${detail}`, namesPolicy: true };
    case 'download':
      if (module.startsWith('file://')) break;
      return {
        text: `Error while downloading policy '${name}' from ${shownModuleLocation(module)}: ${detail}`,
        namesPolicy: true,
      };
    case undefined:
  }
  return { text: detail, namesPolicy: false };
}

/** What names no place cannot be downloaded from there. */
function stageOf(error: unknown): FetchStage | undefined {
  if (!(error instanceof ArtifactError)) return undefined;
  return error.code === 'location-invalid' ? 'download' : error.stage;
}
