import { ArtifactError } from './errors.ts';

/**
 * Waits for work as long as somebody wants its result.
 *
 * @throws ArtifactError `aborted`; its cause is the signal's reason
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  const { promise: left, reject } = Promise.withResolvers<never>();
  const leave = (): void => reject(abortedWait(signal, what));
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([work, left]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** @param what is not waited for any more, in words for the error */
export function abortedWait(signal: AbortSignal, what: string): ArtifactError {
  return new ArtifactError('aborted', `gave up waiting for ${what}`, { cause: signal.reason });
}
