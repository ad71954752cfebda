import { ArtifactError } from '../errors.ts';
import type { ArtifactLog } from '../log.ts';
import type { TransportRequest, TransportResponse, TransportSecurity } from './transport.ts';
import { errorCode, reasonOf, shownUrl } from './transport-errors.ts';

/** One way to speak to a host. */
export interface LadderStep {
  readonly hostKey: string;
  readonly security: TransportSecurity;
  /** The request's URL with the scheme of this step. */
  readonly url: URL;
}

/** Finds out how a host wants to be spoken to, within what its operator allowed. */
export interface Ladder {
  climb(
    request: TransportRequest,
    attempt: (step: LadderStep) => Promise<TransportResponse>,
  ): Promise<TransportResponse>;
}

const STEPS: readonly TransportSecurity[] = ['verified', 'unverified', 'plain'];
const BROKEN_CONNECTION: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);
/** How many connections in a row may turn out to be closed. */
const STALE_CONNECTIONS = 2;
const PROTOCOL_NAMES = { verified: 'HTTPS(SystemCa)', unverified: 'HTTPS(NoTlsVerification)', plain: 'HTTP' };

/**
 * Checked HTTPS; for insecure hosts then unchecked HTTPS, then plain HTTP. Only a connection that could not be made leads
 * to the next step: an answer, of whatever status, is the host's own.
 */
export function createLadder({ insecure, log }: { insecure: ReadonlySet<string>; log: ArtifactLog }): Ladder {
  // Of insecure hosts: others have one step.
  const proven = new Map<string, TransportSecurity>();
  return {
    async climb(request, attempt) {
      const hostKey = request.hostKey ?? request.url.host;
      const isInsecure = insecure.has(hostKey);
      const isSettled = !isInsecure || proven.has(hostKey);
      const steps = stepsFor(request.url, isInsecure, proven.get(hostKey));
      for (const [index, security] of steps.entries()) {
        const url = urlFor(request.url, hostKey, security);
        try {
          const step = { hostKey, security, url };
          const response = await onLiveConnection(request, isSettled, () => attempt(step));
          if (isInsecure && request.url.protocol === 'https:') proven.set(hostKey, security);
          // What servers with TLS say to who comes without: the host has moved up, and the next request looks for it.
          if (security === 'plain' && response.status === 400) proven.delete(hostKey);
          return response;
        } catch (error) {
          const isLast = index === steps.length - 1;
          // What was once reached with a checked certificate is never spoken to otherwise: resetting connections must not
          // talk a long-lived server down. Weaker ways are looked for anew, from the top.
          if (isLast && isUnreachable(error) && proven.get(hostKey) !== 'verified') proven.delete(hostKey);
          if (isLast || !isUnreachable(error)) throw error;
          if (request.operation !== undefined) logFailedStep(log, security, { url, error });
        }
      }
      throw refusedPlainUrl(request.url);
    },
  };
}

/**
 * A server may close an idle connection just when a request is on its way over it; the next connection may have been idle
 * as long. Reading is tried again; what changes something is not, because it may have arrived.
 */
async function onLiveConnection<T>(
  request: TransportRequest,
  isSettled: boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  const isReading = request.method === 'GET' || request.method === 'HEAD';
  for (let left = isReading && isSettled ? STALE_CONNECTIONS : 0; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0 || !isBrokenConnection(error)) throw error;
    }
  }
}

function isBrokenConnection(error: unknown): boolean {
  return isUnreachable(error) && BROKEN_CONNECTION.has(errorCode(error.cause) ?? '');
}

function stepsFor(url: URL, isInsecure: boolean, proven: TransportSecurity | undefined): readonly TransportSecurity[] {
  if (url.protocol === 'http:') return isInsecure ? ['plain'] : [];
  if (!isInsecure) return ['verified'];
  return proven === undefined ? STEPS : [proven];
}

function refusedPlainUrl(url: URL): ArtifactError {
  return new ArtifactError(
    'registry-unreachable',
    `failed to create the http client: builder error for url (${shownUrl(url)}) – ` +
      'plain HTTP is spoken only with hosts in insecure_sources of the sources file',
  );
}

/** An explicit port stays, also the one that is implied by https. */
function urlFor(url: URL, hostKey: string, security: TransportSecurity): URL {
  if (security !== 'plain' || url.protocol === 'http:') return url;
  const plain = new URL(url);
  plain.protocol = 'http:';
  if (url.port === '' && hostKey.endsWith(':443')) plain.port = '443';
  return plain;
}

function isUnreachable(error: unknown): error is ArtifactError {
  return error instanceof ArtifactError && error.code === 'registry-unreachable';
}

function logFailedStep(
  log: ArtifactLog,
  security: TransportSecurity,
  { url, error }: { url: URL; error: ArtifactError },
): void {
  log({
    level: 'info',
    target: 'policy_fetcher::registry',
    message: 'operation failed',
    fields: {
      err: `error sending request for url (${shownUrl(url)}): ${reasonOf(error.cause)}`,
      client_protocol: PROTOCOL_NAMES[security],
      insecure_source: 'true',
    },
  });
}
