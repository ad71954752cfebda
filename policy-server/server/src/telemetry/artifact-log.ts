import type { ArtifactLog } from '@portcullis/artifact';
import type { Log } from './log.ts';

/** What is said about fetching and verifying, in the server's log. */
export function createArtifactLog(log: Log): ArtifactLog {
  return ({ level, target, message, fields }) => log.write({ level, target, message, fields: fields ?? {} });
}
