import type { ImageReference } from '@portcullis/protocol';

/** A repository of a registry, without tag or digest. */
export interface Repository {
  /** `host` or `host:port` as written in the reference. */
  readonly registry: string;
  readonly repository: string;
}

/** An OCI content descriptor, its fields checked. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: ReadonlyMap<string, string>;
  /** What a referrers list says a manifest is for. */
  readonly artifactType: string | undefined;
  /** Which machine an entry of an index is for. */
  readonly platform: Platform | undefined;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
}

/** A manifest or index as a registry sent it: its bytes match `digest`, its structure was checked. */
export type Manifest = ImageManifest | ImageIndex;

interface ManifestBase {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations: ReadonlyMap<string, string>;
  readonly artifactType: string | undefined;
}

export interface ImageManifest extends ManifestBase {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject: Descriptor | undefined;
}

export interface ImageIndex extends ManifestBase {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /**
   * Names the operation whose failed steps of the ladder are logged. Pushes log by themselves; reading is silent without it.
   */
  readonly operation?: string;
}

export interface BlobOptions extends RequestOptions {
  /** Bytes the caller has already; the rest is asked for. Registries that cannot resume send everything: see `startsAt`. */
  readonly offset?: number;
}

/** A blob on its way. The stream ends with an error when it is longer than the descriptor says, or stalls. */
export interface BlobStream {
  /** `offset` when the registry resumes, 0 when it sends everything again. */
  readonly startsAt: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What is read from registries. Each method rejects with ArtifactError. */
export interface RegistryReader {
  /** Digest of what the reference names, of the index itself when it is one. HEAD; GET and hash when the answer has no digest. */
  digest(reference: ImageReference, options?: RequestOptions): Promise<string>;
  /** The manifest or index; its bytes are checked against the digest of reference and answer. */
  manifest(reference: ImageReference, options?: RequestOptions): Promise<Manifest>;
  /** A whole blob, its digest checked. Rejects with `download-too-large` above `maxBytes`. */
  blob(
    repository: Repository,
    descriptor: Descriptor,
    options: RequestOptions & { readonly maxBytes: number },
  ): Promise<Uint8Array>;
  /** A blob to be written somewhere; the caller checks the digest of the whole. */
  openBlob(repository: Repository, descriptor: Descriptor, options?: BlobOptions): Promise<BlobStream>;
  /** Manifests that refer to `digest`: by the referrers API, else by the fallback tag `sha256-<hex>`. `[]` when there are none. */
  referrers(repository: Repository, digest: string, options?: RequestOptions): Promise<readonly Descriptor[]>;
}

/** What is written to registries. */
export interface RegistryWriter {
  pushBlob(repository: Repository, bytes: Uint8Array, digest: string, options?: RequestOptions): Promise<void>;
  /** @returns the digest under which the registry keeps the manifest */
  pushManifest(
    reference: ImageReference,
    bytes: Uint8Array,
    mediaType: string,
    options?: RequestOptions,
  ): Promise<string>;
}

export interface RegistryClient extends RegistryReader, RegistryWriter {}
