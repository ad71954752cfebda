import {
  ArtifactError,
  shownModuleLocation,
  type ArtifactLog,
  type FetchedPolicy,
  type ModuleLocation,
  type PolicyFetcher,
} from '@portcullis/artifact';
import pLimit, { type LimitFunction } from 'p-limit';

export interface PolicyFetchOptions {
  readonly fetcher: Pick<PolicyFetcher, 'fetch'>;
  /** For all policies together, from the first one on. */
  readonly timeoutMs: number;
  /** Whether what is stored may stand in for what cannot be asked for in time. */
  readonly mayBeStale: boolean;
  /** Aborted when nobody wants the policies any more. */
  readonly stop: AbortSignal | undefined;
  readonly log: ArtifactLog;
}

/** Fetched from one host at the same time. Each host has a row of its own: one that hangs keeps nobody else's policies waiting. */
const FETCHES_PER_HOST = 8;
/** After so long somebody who watches the log wants to know what the server is waiting for. */
const NOTICE_MS = 10_000;

/** Brings modules to disk before a common deadline: a server that others wait for must not wait for ever itself. */
export class PolicyFetch {
  readonly #options: PolicyFetchOptions;
  readonly #rows = new Map<string, LimitFunction>();
  #deadline: AbortSignal | undefined;

  constructor(options: PolicyFetchOptions) {
    this.#options = options;
  }

  /** @throws ArtifactError whose `stage` says what failed */
  fetch(location: ModuleLocation): Promise<FetchedPolicy> {
    this.#deadline ??= AbortSignal.timeout(this.#options.timeoutMs);
    return this.#rowOf(location)(() => this.#inTime(location));
  }

  #rowOf(location: ModuleLocation): LimitFunction {
    const host = hostOf(location);
    const row = this.#rows.get(host) ?? pLimit(FETCHES_PER_HOST);
    this.#rows.set(host, row);
    return row;
  }

  async #inTime(location: ModuleLocation): Promise<FetchedPolicy> {
    const { fetcher, stop } = this.#options;
    const signals = [this.#deadline, stop].filter((signal) => signal !== undefined);
    const notice = setTimeout(() => this.#notice(location), NOTICE_MS).unref();
    try {
      return await fetcher.fetch(location, { signal: AbortSignal.any(signals) });
    } catch (error) {
      const isLate = this.#deadline?.aborted === true && stop?.aborted !== true;
      if (!isLate || !(error instanceof ArtifactError) || error.code !== 'aborted') throw error;
      return await this.#standIn(location, this.#late(error));
    } finally {
      clearTimeout(notice);
    }
  }

  async #standIn(location: ModuleLocation, late: ArtifactError): Promise<FetchedPolicy> {
    const { fetcher, mayBeStale, log } = this.#options;
    if (!mayBeStale) throw late;
    const stored = await fetcher.fetch(location, { storedOnly: true }).catch(() => {
      throw late;
    });
    log({
      level: 'warn',
      target: 'policy_fetcher::fetcher',
      message: 'The registry cannot be asked for a newer policy, using the one that is stored',
      fields: { policy: shownModuleLocation(location), error: late.message },
    });
    return { ...stored, origin: 'stale' };
  }

  #late(cause: ArtifactError): ArtifactError {
    const seconds = this.#options.timeoutMs / 1000;
    const text = `it was not here after ${seconds} s, which is all the time there is to fetch policies – check whether its host answers, or give them more with --policies-download-timeout`;
    return new ArtifactError('download-stalled', text, { cause, stage: 'download' });
  }

  #notice(location: ModuleLocation): void {
    this.#options.log({
      level: 'warn',
      target: 'policy_fetcher::fetcher',
      message: `a policy is taking more than ${NOTICE_MS / 1000} s to be fetched, still waiting`,
      fields: { policy: shownModuleLocation(location) },
    });
  }
}

function hostOf(location: ModuleLocation): string {
  switch (location.scheme) {
    case 'file':
      return '';
    case 'registry':
      return location.reference.registry;
    case 'http':
    case 'https':
      return new URL(location.url).host;
  }
}
