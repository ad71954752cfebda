import { ArtifactError } from '../errors.ts';
import { readFileBounded, type FileReader } from '../file.ts';
import { Flights, type FlightContext } from '../flights.ts';
import { inspectModule, type LoadedModule } from '../load.ts';
import { shownModuleLocation, type ModuleLocation, type RegistryLocation } from '../location.ts';
import type { ArtifactLog } from '../log.ts';
import type { RegistryReader } from '../registry/registry.ts';
import type { Transport } from '../transport/transport.ts';
import type { PolicyStore } from '../store/store.ts';
import type { PolicyVerifier } from '../verify/verifier.ts';
import { createApproval, type Approval } from './approval.ts';
import { outputDestination, storeDestination, type Destination } from './destination.ts';
import { copyModule, requireFile } from './local.ts';
import type { DownloadProgress } from './reception.ts';
import { createRegistryDownloads, type RegistryDownloads } from './registry-download.ts';
import { staged } from './stage.ts';
import { downloadFromWeb } from './web.ts';

export interface PolicyFetcherOptions {
  readonly transport: Transport;
  readonly client: RegistryReader;
  readonly store: PolicyStore;
  /** Without it nothing is verified. */
  readonly verifier?: Pick<PolicyVerifier, 'verify' | 'checkFile'> | undefined;
  /**
   * What becomes of a local file, which nobody signed, when there is a verifier.
   *
   * @default 'refuse'
   */
  readonly unsignedFiles?: 'refuse' | 'warn';
  readonly maxBytes: number;
  readonly log: ArtifactLog;
  /** @default reads a regular file, bounded */
  readonly readFile?: FileReader;
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** A file, or a folder: the policy goes there, not to the store, and replaces what is there. */
  readonly outputPath?: string | undefined;
  /** What is stored is used as it is: nothing newer is asked for. */
  readonly storedOnly?: boolean | undefined;
}

/** A policy on disk. */
export interface FetchedPolicy {
  readonly location: ModuleLocation;
  readonly path: string;
  /** Of the manifest whose signatures hold; `undefined` = not verified. */
  readonly verifiedDigest: string | undefined;
  /** Of the file that manifest names, hexadecimal: whoever reads the file compares again. */
  readonly verifiedSha256: string | undefined;
  /** `stale`: the registry cannot be reached, and what was stored is used. */
  readonly origin: 'file' | 'stored' | 'downloaded' | 'stale';
}

/** Brings policies to this machine: signatures first, then the bytes, then whether the bytes are the ones that were signed. */
export interface PolicyFetcher {
  /** @throws ArtifactError whose `stage` says what failed */
  fetch(location: ModuleLocation, options?: FetchOptions): Promise<FetchedPolicy>;
  /**
   * Reads a policy that was fetched.
   *
   * @throws ArtifactError also when the file is not the one any more that was verified
   */
  read(policy: FetchedPolicy): Promise<LoadedModule>;
  /** Fetches and reads. */
  load(location: ModuleLocation, options?: FetchOptions): Promise<LoadedModule>;
  /** Resolves when nothing is under way: what nobody waits for any more has then cleaned up behind itself. */
  settled(): Promise<void>;
}

/** Whoever asks for the same at the same time shares one download. */
export function createPolicyFetcher(options: PolicyFetcherOptions): PolicyFetcher {
  const session = { ...options, download: createRegistryDownloads(options) };
  const flights = new Flights<FetchedPolicy, DownloadProgress>('a policy to be fetched');
  const underWay = new Set<Promise<FetchedPolicy>>();
  const fetch = (location: ModuleLocation, given: FetchOptions = {}): Promise<FetchedPolicy> => {
    const { outputPath, storedOnly } = given;
    const key = JSON.stringify([location, outputPath ?? null, storedOnly === true]);
    return flights.join(key, given, async (context) => {
      const work = bring(session, location, { ...context, outputPath, storedOnly });
      underWay.add(work);
      return work.finally(() => underWay.delete(work));
    });
  };
  const read = (policy: FetchedPolicy): Promise<LoadedModule> => readFetched(policy, options);
  return {
    fetch,
    read,
    load: async (location, given) => read(await fetch(location, given)),
    settled: async () => void (await Promise.allSettled(underWay)),
  };
}

async function readFetched(
  { location, path, verifiedSha256 }: FetchedPolicy,
  { readFile = readFileBounded, maxBytes }: PolicyFetcherOptions,
): Promise<LoadedModule> {
  const module = inspectModule(shownModuleLocation(location), await readFile(path, maxBytes));
  if (verifiedSha256 === undefined || verifiedSha256 === module.sha256) return module;
  throw new ArtifactError(
    'verification-failed',
    `The digest of the local file doesn't match with the one reported inside of the signed manifest. Got ${module.sha256} instead of ${verifiedSha256} – somebody changed ${path} while it was being loaded`,
    { stage: 'checksum' },
  );
}

interface Session extends PolicyFetcherOptions {
  readonly download: RegistryDownloads;
}

interface Request extends FlightContext<DownloadProgress> {
  readonly outputPath: string | undefined;
  readonly storedOnly: boolean | undefined;
}

async function bring(session: Session, location: ModuleLocation, request: Request): Promise<FetchedPolicy> {
  const approval = await createApproval(session, location, request.signal);
  const { path, origin } = await staged('download', () => place(session, location, { ...request, approval }));
  const { verifiedDigest, verifiedSha256 } = approval;
  return { location, path, verifiedDigest, verifiedSha256, origin };
}

interface ApprovedRequest extends Request {
  readonly approval: Approval;
}

type Placed = Pick<FetchedPolicy, 'path' | 'origin'>;

async function place(session: Session, location: ModuleLocation, request: ApprovedRequest): Promise<Placed> {
  const { outputPath, storedOnly, approval } = request;
  const output = outputPath === undefined ? undefined : await outputDestination(outputPath, location);
  if (location.scheme === 'file') return placeFile(session, location.path, output);
  const isSettled = storedOnly === true || (output === undefined && !mayMove(location));
  const stored = isSettled || output === undefined ? await session.store.find(location) : undefined;
  if (isSettled && stored !== undefined) {
    await approval.check(stored.path);
    return { path: stored.path, origin: 'stored' };
  }
  if (storedOnly === true) throw notStored(location);
  const destination = output ?? storeDestination(session.store, location);
  try {
    return { path: destination.path, origin: await download(session, location, { ...request, destination }) };
  } catch (error) {
    if (stored === undefined || !isTemporary(error)) throw error;
    session.log({
      level: 'warn',
      target: 'policy_fetcher::fetcher',
      message: 'The registry cannot be asked for a newer policy, using the one that is stored',
      fields: { policy: shownModuleLocation(location), error: error.message },
    });
    await approval.check(stored.path);
    return { path: stored.path, origin: 'stale' };
  }
}

/** A file is used where it is, unless it is wanted elsewhere. */
async function placeFile(session: Session, path: string, output: Destination | undefined): Promise<Placed> {
  await requireFile(path);
  if (output === undefined) return { path, origin: 'file' };
  await copyModule(path, output, session);
  return { path: output.path, origin: 'file' };
}

interface DestinedRequest extends ApprovedRequest {
  readonly destination: Destination;
}

async function download(
  session: Session,
  location: Exclude<ModuleLocation, { scheme: 'file' }>,
  request: DestinedRequest,
): Promise<'stored' | 'downloaded'> {
  const { destination, approval } = request;
  if (location.scheme !== 'registry') {
    await downloadFromWeb(location.url, destination, { ...session, ...request });
    return 'downloaded';
  }
  // What was verified is fetched by its digest: a tag may be moved between the two.
  const digest = approval.verifiedDigest ?? location.reference.digest;
  const reference = digest === undefined ? location.reference : { ...location.reference, digest };
  return session.download(reference, destination, {
    ...request,
    storedPath: session.store.pathOf(location),
    approve: (path) => approval.check(path),
  });
}

/** By convention only `latest` is moved; a digest never is. */
function mayMove(location: ModuleLocation): location is RegistryLocation {
  return (
    location.scheme === 'registry' && location.reference.tag === 'latest' && location.reference.digest === undefined
  );
}

/** Nobody said anything about the policy: not "it is gone", not "you may not have it". */
function isTemporary(error: unknown): error is ArtifactError {
  if (!(error instanceof ArtifactError)) return false;
  if (error.code === 'registry-refused') return error.status !== undefined && error.status >= 500;
  return ['registry-unreachable', 'download-stalled', 'rate-limited'].includes(error.code);
}

function notStored(location: ModuleLocation): ArtifactError {
  return new ArtifactError(
    'policy-not-found',
    `Cannot find policy with uri: ${shownModuleLocation(location)} – it is not in the store; pull it first`,
  );
}
