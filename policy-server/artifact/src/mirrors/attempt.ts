import { ArtifactError } from '../errors.ts';
import type { Repository } from '../registry/registry.ts';
import type { Mirror } from '../sources/sources.ts';
import { mirrorName, onMirror, type MirrorContext } from './mirror-context.ts';

const TARGET = 'policy_fetcher::registry';
/** Whoever gives up after this long does so because of the mirror. */
const SLOW_MS = 1000;
/** What a mirror may take for each byte beyond the few kilobytes of most answers: 16 kB/s. */
const BYTES_PER_MS = 16;

/** Something any of several mirrors may answer. */
export interface MirrorQuestion<T> {
  readonly repository: Repository;
  /** Tag or digest, for the log. */
  readonly what: string;
  /** Who may be asked, in order. */
  readonly mirrors: readonly Mirror[];
  readonly signal: AbortSignal | undefined;
  /** What the answer is expected to weigh, when that is known. */
  readonly bytes?: number;
  readonly ask: (repository: Repository, signal: AbortSignal) => Promise<T>;
}

export interface MirrorAnswer<T> {
  readonly mirror: Mirror;
  readonly value: T;
}

/**
 * Asks one mirror after the other; `undefined` when none has an answer.
 *
 * @throws ArtifactError `aborted` when the caller gave up: nobody else is asked then
 */
export async function firstAnswer<T>(
  context: MirrorContext,
  question: MirrorQuestion<T>,
): Promise<MirrorAnswer<T> | undefined> {
  for (const mirror of question.mirrors) {
    refuseAborted(question.signal);
    if (!context.health.admits(mirror.host)) continue;
    const sinceMs = context.nowMs();
    try {
      const value = await withinTime(context, question, mirror);
      context.health.answered(mirror.host);
      context.log({ level: 'debug', target: TARGET, message: 'A mirror answers', fields: fieldsOf(mirror, question) });
      return { mirror, value };
    } catch (error) {
      if (question.signal?.aborted === true) {
        if (context.nowMs() - sinceMs >= SLOW_MS) context.health.failed(mirror.host);
        throw error;
      }
      passOver(context, mirror, { ...question, error });
    }
  }
  return undefined;
}

/** Stops waiting after the time that is allowed; what comes of the answer afterwards is still the caller's to stop. */
async function withinTime<T>(context: MirrorContext, question: MirrorQuestion<T>, mirror: Mirror): Promise<T> {
  const { repository, signal, bytes = 0, ask } = question;
  const timeoutMs = context.limits.answerTimeoutMs + Math.ceil(bytes / BYTES_PER_MS);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  const either = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
  try {
    return await ask(onMirror(mirror, repository), either);
  } catch (error) {
    if (late.signal.aborted && signal?.aborted !== true) throw silent(mirror, timeoutMs, error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Goes on without a mirror that failed. Nothing is wrong with a cache that does not have everything; bytes that are not
 * those of their digest are another matter, and somebody should hear of it.
 */
export function passOver(
  { health, log }: MirrorContext,
  mirror: Mirror,
  { repository, what, error }: { repository: Repository; what: string; error: unknown },
): void {
  if (!(error instanceof ArtifactError)) throw error;
  if (['registry-unreachable', 'download-stalled', 'rate-limited'].includes(error.code)) health.failed(mirror.host);
  else health.answered(mirror.host);
  log({
    level: error.code === 'digest-mismatch' ? 'warn' : 'debug',
    target: TARGET,
    message: 'A mirror is passed over',
    fields: { ...fieldsOf(mirror, { repository, what }), error: error.message },
  });
}

export function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new ArtifactError('aborted', 'gave up asking mirrors and the registry', { cause: signal.reason });
}

function fieldsOf(
  mirror: Mirror,
  { repository: { registry, repository }, what }: { repository: Repository; what: string },
): Record<string, string> {
  return { mirror: mirrorName(mirror), artifact: `${registry}/${repository}${what}` };
}

function silent(mirror: Mirror, timeoutMs: number, cause: unknown): ArtifactError {
  return new ArtifactError(
    'download-stalled',
    `the mirror ${mirrorName(mirror)} gave no answer within ${timeoutMs} ms`,
    { cause },
  );
}
