import { comparableRegistry, type ImageReference } from '@portcullis/protocol';
import type { ArtifactLog } from '../log.ts';
import type {
  BlobOptions,
  BlobStream,
  Descriptor,
  Manifest,
  RegistryReader,
  Repository,
  RequestOptions,
} from '../registry/registry.ts';
import type { Mirror } from '../sources/sources.ts';
import { firstAnswer } from './attempt.ts';
import { BlobRelay } from './blob-relay.ts';
import { DEFAULT_MIRROR_LIMITS, mirrorsOf, type MirrorContext, type MirrorLimits } from './mirror-context.ts';
import { MirrorHealth } from './mirror-health.ts';
import { digestOfTag } from './tag-digest.ts';

export interface MirroredReaderOptions {
  /** For each registry who is asked before it, in order. */
  readonly mirrors: ReadonlyMap<string, readonly Mirror[]>;
  readonly log: ArtifactLog;
  readonly limits?: Partial<MirrorLimits>;
  /** Milliseconds of a clock that never goes back. @default performance.now */
  readonly nowMs?: () => number;
}

/** A blob up to this size is checked whole before anything of it is handed out; the bytes of larger ones go by as they come. */
const CHECKED_WHOLE_BYTES = 256 * 1024;
/** Where cosign keeps what belongs to an image, and where referrers are listed without an API for it. */
const BESIDE_IMAGE = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(?:\.\w+)?$/;

/**
 * Reads from mirrors what they may be asked for, and from the registry itself everything else. Mirrors hold content: what a
 * tag names only those say that may (as `resolve` in containerd's hosts.toml), and what belongs to an image, signatures first
 * of all, is looked up in the repository the image is named after, because few proxies carry it.
 */
export function createMirroredReader(client: RegistryReader, options: MirroredReaderOptions): RegistryReader {
  const { log, limits, nowMs = () => performance.now() } = options;
  const context: MirrorContext = {
    client,
    mirrors: new Map([...options.mirrors].map(([registry, mirrors]) => [comparableRegistry(registry), mirrors])),
    health: new MirrorHealth(nowMs),
    log,
    limits: { ...DEFAULT_MIRROR_LIMITS, ...limits },
    nowMs,
  };
  return {
    digest: (reference, given = {}) => digest(context, reference, given),
    manifest: (reference, given = {}) => manifest(context, reference, given),
    blob: (repository, descriptor, given) => blob(context, { repository, descriptor }, given),
    openBlob: (repository, descriptor, given = {}) => openBlob(context, { repository, descriptor }, given),
    referrers: (repository, subject, given) => client.referrers(repository, subject, given),
  };
}

async function digest(context: MirrorContext, reference: ImageReference, options: RequestOptions): Promise<string> {
  const { digest: pinned } = reference;
  if (pinned === undefined) {
    return isBesideImage(reference)
      ? context.client.digest(reference, options)
      : digestOfTag(context, reference, options);
  }
  const answer = await firstAnswer(context, {
    repository: reference,
    what: `@${pinned}`,
    mirrors: mirrorsOf(context, reference),
    signal: options.signal,
    ask: (where, signal) => context.client.digest({ ...where, digest: pinned }, { ...options, signal }),
  });
  return answer?.value ?? context.client.digest(reference, options);
}

async function manifest(context: MirrorContext, reference: ImageReference, options: RequestOptions): Promise<Manifest> {
  const { digest: pinned, tag = 'latest' } = reference;
  if (isBesideImage(reference)) return context.client.manifest(reference, options);
  const version = pinned === undefined ? { tag } : { digest: pinned };
  const answer = await firstAnswer(context, {
    repository: reference,
    what: pinned === undefined ? `:${tag}` : `@${pinned}`,
    mirrors: mirrorsOf(context, reference).filter(({ resolve }) => resolve || pinned !== undefined),
    signal: options.signal,
    ask: (where, signal) => context.client.manifest({ ...where, ...version }, { ...options, signal }),
  });
  return answer?.value ?? context.client.manifest(reference, options);
}

interface BlobPlace {
  readonly repository: Repository;
  readonly descriptor: Descriptor;
}

type WholeOptions = RequestOptions & { readonly maxBytes: number };

async function blob(context: MirrorContext, place: BlobPlace, options: WholeOptions): Promise<Uint8Array> {
  const found = await wholeOfMirror(context, place, options);
  return found ?? context.client.blob(place.repository, place.descriptor, options);
}

async function openBlob(context: MirrorContext, place: BlobPlace, options: BlobOptions): Promise<BlobStream> {
  const { repository, descriptor } = place;
  if (descriptor.size > CHECKED_WHOLE_BYTES) return new BlobRelay(context, { ...place, options }).open();
  const { offset: _, ...asked } = options;
  const found = await wholeOfMirror(context, place, { ...asked, maxBytes: CHECKED_WHOLE_BYTES });
  if (found === undefined) return context.client.openBlob(repository, descriptor, options);
  return { startsAt: 0, body: inOnePiece(found) };
}

/** `undefined` when no mirror has it. */
async function wholeOfMirror(
  context: MirrorContext,
  { repository, descriptor }: BlobPlace,
  options: WholeOptions,
): Promise<Uint8Array | undefined> {
  if (descriptor.size > options.maxBytes) return undefined;
  const answer = await firstAnswer(context, {
    repository,
    what: `@${descriptor.digest}`,
    mirrors: mirrorsOf(context, repository),
    signal: options.signal,
    bytes: descriptor.size,
    ask: (where, signal) => context.client.blob(where, descriptor, { ...options, signal }),
  });
  return answer?.value;
}

function isBesideImage({ digest: pinned, tag }: ImageReference): boolean {
  return pinned === undefined && tag !== undefined && BESIDE_IMAGE.test(tag);
}

async function* inOnePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
