import { ArtifactError, type FetchStage } from '../errors.ts';

/** Marks what fails with the stage it failed in, unless an inner one did so. */
export async function staged<T>(stage: FetchStage, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ArtifactError) || error.stage !== undefined) throw error;
    const { code, message, status, retryAfterMs } = error;
    throw new ArtifactError(code, message, { cause: error, status, retryAfterMs, stage });
  }
}
