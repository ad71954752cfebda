import { comparableRegistry, messageOf, type ImageReference } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import type { RequestOptions } from '../registry/registry.ts';
import type { Mirror } from '../sources/sources.ts';
import { firstAnswer, refuseAborted } from './attempt.ts';
import { mirrorName, mirrorsOf, type MirrorContext } from './mirror-context.ts';

const TARGET = 'policy_fetcher::registry';

/**
 * What a tag names, as identity: signatures are looked up by it. Mirrors that may resolve tags are asked, and beside them
 * the registry itself. Where both answer they must agree, because proxies rewrite what they hold in part (a trimmed index has
 * another digest); the registry wins. When it does not answer soon, or not at all, the mirror's word stands.
 */
export async function digestOfTag(
  context: MirrorContext,
  reference: ImageReference,
  options: RequestOptions,
): Promise<string> {
  const mirrors = mirrorsOf(context, reference).filter(({ resolve }) => resolve);
  if (mirrors.length === 0) return context.client.digest(reference, options);
  const { tag = 'latest' } = reference;
  using source = askSource(context, reference, options);
  const answer = await firstAnswer(context, {
    repository: reference,
    what: `:${tag}`,
    mirrors,
    signal: options.signal,
    ask: (repository, signal) => context.client.digest({ ...repository, tag }, { ...options, signal }),
  });
  // Awaited here: the question to the source ends with this function.
  if (answer === undefined) return await (source?.digest ?? context.client.digest(reference, options));
  const said = await source?.soon();
  refuseAborted(options.signal);
  if (said === undefined || said === answer.value) return answer.value;
  warnOfDifference(context, reference, { ...answer, said });
  return said;
}

interface SecondOpinion extends Disposable {
  readonly digest: Promise<string>;
  /** `undefined` when there is none, or not within the time that is allowed. */
  soon(): Promise<string | undefined>;
}

/** Nobody is asked that was not there a moment ago: behind a wall, every tag would wait for it. */
function askSource(
  context: MirrorContext,
  reference: ImageReference,
  options: RequestOptions,
): SecondOpinion | undefined {
  const { client, health, limits, log } = context;
  const host = comparableRegistry(reference.registry);
  if (!health.admits(host)) return undefined;
  let isLate = false;
  const enough = new AbortController();
  const signal = options.signal === undefined ? enough.signal : AbortSignal.any([options.signal, enough.signal]);
  const digest = client.digest(reference, { ...options, signal });
  const opinion = digest.then(
    (said) => {
      health.answered(host);
      return said;
    },
    (error: unknown) => {
      if (isLate || isUnreachable(error)) health.failed(host);
      else if (!signal.aborted) health.answered(host);
      const fields = { host, error: messageOf(error) };
      log({ level: 'debug', target: TARGET, message: 'The registry behind the mirrors gives no digest', fields });
      return undefined;
    },
  );
  return {
    digest,
    async soon() {
      const timer = setTimeout(() => {
        isLate = true;
        enough.abort();
      }, limits.secondOpinionMs);
      return opinion.finally(() => clearTimeout(timer));
    },
    [Symbol.dispose]: () => enough.abort(),
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof ArtifactError && ['registry-unreachable', 'download-stalled'].includes(error.code);
}

function warnOfDifference(
  { log }: MirrorContext,
  { registry, repository, tag = 'latest' }: ImageReference,
  { mirror, value, said }: { mirror: Mirror; value: string; said: string },
): void {
  log({
    level: 'warn',
    target: TARGET,
    message: 'A mirror and the registry itself disagree on what a tag names: the registry is right',
    fields: {
      artifact: `${registry}/${repository}:${tag}`,
      mirror: mirrorName(mirror),
      mirror_digest: value,
      digest: said,
    },
  });
}
