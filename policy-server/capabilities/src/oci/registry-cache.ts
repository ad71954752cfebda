import {
  credentialIdentity,
  Flights,
  type BlobOptions,
  type BlobStream,
  type CredentialSource,
  type Descriptor,
  type Manifest,
  type RegistryReader,
  type Repository,
  type RequestOptions,
} from '@portcullis/artifact';
import { comparableRegistry, formatImageReference, type ImageReference } from '@portcullis/protocol';
import { BoundedCache, type CacheSize } from '../cache/bounded-cache.ts';
import { cacheKey } from '../cache/key.ts';
import type { CacheLookup } from '../cache/lookup.ts';
import { Circuit } from './circuit.ts';
import { MAX_WAIT_MS } from './budget.ts';
import { TimedAnswers, type AnswerTimes } from './timed-answers.ts';

export interface RegistryCacheOptions {
  readonly reader: RegistryReader;
  /** Who asks is part of every key: what one credential may read is never shown to another. */
  readonly credentials: CredentialSource;
  readonly times?: Partial<AnswerTimes>;
  /** Monotonic. @default performance.now */
  readonly nowMs?: () => number;
  readonly onLookup?: (lookup: CacheLookup) => void;
  /** The longest a registry may take for one answer, however many wait for it. @default 2000 */
  readonly maxAnswerMs?: number;
}

export const DEFAULT_ANSWER_TIMES: AnswerTimes = { ttlMs: 60_000, negativeTtlMs: 10_000, staleIfErrorMs: 3_600_000 };

const MEBIBYTE = 2 ** 20;
/** Together 64 MiB and 10,000 entries. */
const TAGS = { maxEntries: 4000, maxBytes: 8 * MEBIBYTE };
const REFERRERS = { maxEntries: 1000, maxBytes: 8 * MEBIBYTE };
const MANIFESTS = { maxEntries: 4000, maxBytes: 32 * MEBIBYTE, maxAgeMs: undefined };
const BLOBS = { maxEntries: 1000, maxBytes: 16 * MEBIBYTE, maxAgeMs: undefined };
/** A manifest is kept as its bytes and as what was read from them: lists of short names grow most. */
const PARSED_FACTOR = 8;
/** A descriptor, and an annotation, besides their texts. */
const DESCRIPTOR_BYTES = 512;
const ANNOTATION_BYTES = 64;

/** The tag under which cosign keeps the signatures of a digest: whether it exists is a fact worth a few seconds. */
const SIGNATURE_TAG = /^sha256-[0-9a-f]{64}(?:\.\w+)?$/;

/**
 * Remembers what registries said, and never changes a verdict by it: content is kept by its digest, what a tag names is asked
 * again after a while, lost access drops what was kept, and only a registry that cannot answer is stood in for.
 */
export class RegistryCache implements RegistryReader, Disposable {
  readonly #options: RegistryCacheOptions;
  readonly #isOff: boolean;
  readonly #circuit: Circuit;
  readonly #tags: TimedAnswers<string>;
  readonly #referrers: TimedAnswers<readonly Descriptor[]>;
  readonly #manifests: BoundedCache<Manifest>;
  readonly #blobs: BoundedCache<Uint8Array>;
  readonly #manifestFlights = new Flights<Manifest>('a manifest');
  readonly #blobFlights = new Flights<Uint8Array>('a blob');

  constructor(options: RegistryCacheOptions) {
    this.#options = options;
    const nowMs = options.nowMs ?? (() => performance.now());
    const times = { ...DEFAULT_ANSWER_TIMES, ...options.times };
    this.#circuit = new Circuit({ nowMs, maxAnswerMs: options.maxAnswerMs ?? MAX_WAIT_MS });
    this.#isOff = times.ttlMs === 0;
    const answers = { times, circuit: this.#circuit, nowMs };
    this.#tags = new TimedAnswers({ ...answers, bounds: TAGS, sizeOf: (digest) => digest.length });
    const ofReferrers = { bounds: REFERRERS, sizeOf: sizeOfList, isNone: isEmpty };
    this.#referrers = new TimedAnswers({ ...answers, ...ofReferrers });
    this.#manifests = new BoundedCache(MANIFESTS, ({ bytes }) => bytes.length * PARSED_FACTOR, nowMs);
    this.#blobs = new BoundedCache(BLOBS, (bytes) => bytes.length, nowMs);
  }

  [Symbol.dispose](): void {
    for (const cache of [this.#tags, this.#referrers, this.#manifests, this.#blobs]) cache[Symbol.dispose]();
  }

  /** What is kept now. */
  get size(): CacheSize {
    const sizes = [this.#tags.size, this.#referrers.size, this.#manifests.size, this.#blobs.size];
    const sum = (of: keyof CacheSize): number => sizes.reduce((total, size) => total + size[of], 0);
    return { entries: sum('entries'), bytes: sum('bytes') };
  }

  async digest(reference: ImageReference, { signal }: RequestOptions = {}): Promise<string> {
    const key = await this.#key('digest', reference, formatImageReference(reference));
    // What is known by its digest needs no answer that grows old.
    if (reference.digest !== undefined && !this.#isOff) {
      const known = this.#manifests.get(await this.#key('manifest', reference, reference.digest));
      if (known !== undefined) return this.#tell(reference, 'hit', known.digest);
    }
    return this.#tags.answer({
      key,
      host: comparableRegistry(reference.registry),
      signal,
      ask: (inner) => this.#options.reader.digest(reference, { signal: inner }),
      remembersMissing: SIGNATURE_TAG.test(reference.tag ?? ''),
      onResult: (result) => this.#tell(reference, result, undefined),
    });
  }

  async manifest(reference: ImageReference, options: RequestOptions = {}): Promise<Manifest> {
    const { registry, repository } = reference;
    const digest = reference.digest ?? (await this.digest(reference, options));
    return this.#content(this.#manifests, this.#manifestFlights, {
      key: await this.#key('manifest', reference, digest),
      repository: reference,
      signal: options.signal,
      load: (signal) => this.#options.reader.manifest({ registry, repository, digest }, { signal }),
    });
  }

  async blob(
    repository: Repository,
    descriptor: Descriptor,
    { signal, maxBytes }: RequestOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array> {
    // The reader has the words of the refusal. What is kept must not pass a bound it would not have been read under.
    if (descriptor.size > maxBytes) return this.#options.reader.blob(repository, descriptor, { maxBytes, signal });
    return this.#content(this.#blobs, this.#blobFlights, {
      key: await this.#key('blob', repository, `${descriptor.digest} ${descriptor.size}`),
      repository,
      signal,
      load: (inner) => this.#options.reader.blob(repository, descriptor, { maxBytes, signal: inner }),
    });
  }

  openBlob(repository: Repository, descriptor: Descriptor, options?: BlobOptions): Promise<BlobStream> {
    return this.#options.reader.openBlob(repository, descriptor, options);
  }

  async referrers(
    repository: Repository,
    digest: string,
    { signal }: RequestOptions = {},
  ): Promise<readonly Descriptor[]> {
    return this.#referrers.answer({
      key: await this.#key('referrers', repository, digest),
      host: comparableRegistry(repository.registry),
      signal,
      ask: (inner) => this.#options.reader.referrers(repository, digest, { signal: inner }),
      remembersMissing: true,
      onResult: (result) => this.#tell(repository, result, undefined),
    });
  }

  /** What never changes: kept until space runs out, by its digest. A reader checks the digest before it hands anything out. */
  async #content<T extends object>(
    cache: BoundedCache<T>,
    flights: Flights<T>,
    { key, repository, signal, load }: ContentQuestion<T>,
  ): Promise<T> {
    const known = this.#isOff ? undefined : cache.get(key);
    if (known !== undefined) return this.#tell(repository, 'hit', known);
    const loadAndKeep = async ({ signal: inner }: { readonly signal: AbortSignal }): Promise<T> => {
      const value = await this.#circuit.ask(comparableRegistry(repository.registry), load, inner);
      if (!this.#isOff) cache.set(key, value);
      return value;
    };
    const value = await flights.join(key, { signal }, loadAndKeep);
    return this.#tell(repository, this.#isOff ? 'bypass' : 'miss', value);
  }

  #tell<T>({ registry }: Repository, result: CacheLookup['result'], value: T): T {
    this.#options.onLookup?.({ cache: 'oci', host: comparableRegistry(registry), result });
    return value;
  }

  async #key(operation: string, { registry, repository }: Repository, what: string): Promise<string> {
    const host = comparableRegistry(registry);
    const credential = await this.#options.credentials.credentialFor(registry);
    return cacheKey(operation, host, repository, what, credentialIdentity(credential));
  }
}

interface ContentQuestion<T> {
  readonly key: string;
  readonly repository: Repository;
  readonly signal: AbortSignal | undefined;
  readonly load: (signal: AbortSignal) => Promise<T>;
}

function sizeOfList(list: readonly Descriptor[]): number {
  return list.reduce((total, descriptor) => total + sizeOfDescriptor(descriptor), 0);
}

function sizeOfDescriptor({ annotations, artifactType = '', digest, mediaType }: Descriptor): number {
  let texts = artifactType.length + digest.length + mediaType.length;
  for (const [name, value] of annotations) texts += name.length + value.length + ANNOTATION_BYTES;
  return DESCRIPTOR_BYTES + 2 * texts;
}

function isEmpty(list: readonly Descriptor[]): boolean {
  return list.length === 0;
}
