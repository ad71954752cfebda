import { createHash } from 'node:crypto';
import { ArtifactError } from '../../../errors.ts';
import type { Descriptor, ImageIndex, ImageManifest, Manifest, RegistryReader } from '../../../registry/registry.ts';

/** A blob as it lies in a manifest. */
export interface Layer {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ReferrerOptions {
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

type Operation = 'digest' | 'manifest' | 'blob' | 'referrers';

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A registry in memory with one image, `registry.test/policy:v1`, beside which tests put what they like. */
export class TestImage {
  readonly bytes = Buffer.from('{"schemaVersion":2,"layers":[]}');
  readonly digest = digestOf(this.bytes);
  /** Thrown instead of an answer. */
  readonly failures = new Map<Operation, Error>();
  /** `operation name`, in the order of the requests. */
  readonly requests: string[] = [];
  readonly #manifests = new Map<string, Manifest>();
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #referrers: Descriptor[] = [];

  constructor() {
    this.#manifests.set('v1', manifestOf(this.bytes, []));
    this.#manifests.set(this.digest, manifestOf(this.bytes, []));
  }

  get cosignTag(): string {
    return `${this.digest.replace(':', '-')}.sig`;
  }

  /** Puts layers under cosign's tag. */
  tag(...layers: readonly Layer[]): this {
    this.#manifests.set(this.cosignTag, manifestOf(Buffer.from('signatures'), this.#keep(layers)));
    return this;
  }

  /** Puts an index under cosign's tag. */
  tagIndex(): this {
    const { config: _config, layers: _layers, subject: _subject, ...base } = manifestOf(Buffer.from('index'), []);
    const index: ImageIndex = { ...base, kind: 'index', manifests: [] };
    this.#manifests.set(this.cosignTag, index);
    return this;
  }

  /** Adds a manifest that refers to the image. */
  refer(layers: readonly Layer[], { artifactType, annotations }: ReferrerOptions = {}): this {
    const bytes = Buffer.from(`referrer ${this.#referrers.length}`);
    const manifest = manifestOf(bytes, this.#keep(layers), annotations);
    this.#manifests.set(manifest.digest, manifest);
    this.#referrers.push({ ...descriptorOf({ mediaType: manifest.mediaType, bytes }), artifactType });
    return this;
  }

  readonly client: RegistryReader = {
    digest: async () => this.#answer('digest', 'v1', this.digest),
    manifest: async ({ tag, digest }) =>
      this.#answer('manifest', digest ?? tag ?? '', this.#manifests.get(digest ?? tag ?? '')),
    blob: async (_repository, { digest }) => this.#answer('blob', digest, this.#blobs.get(digest)),
    openBlob: () => Promise.reject(new Error('signatures are read whole')),
    referrers: async (_repository, digest) => this.#answer('referrers', digest, this.#referrers),
  };

  #answer<T>(operation: Operation, name: string, value: T | undefined): T {
    this.requests.push(`${operation} ${name}`);
    const failure = this.failures.get(operation);
    if (failure !== undefined) throw failure;
    if (value === undefined) throw new ArtifactError('not-found', `no ${name}`);
    return value;
  }

  #keep(layers: readonly Layer[]): Descriptor[] {
    for (const { bytes } of layers) this.#blobs.set(digestOf(bytes), bytes);
    return layers.map(descriptorOf);
  }
}

function manifestOf(
  bytes: Uint8Array,
  layers: readonly Descriptor[],
  annotations: Readonly<Record<string, string>> = {},
): ImageManifest {
  return {
    kind: 'manifest',
    digest: digestOf(bytes),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    bytes,
    annotations: new Map(Object.entries(annotations)),
    artifactType: undefined,
    config: descriptorOf({ mediaType: 'application/vnd.oci.empty.v1+json', bytes: Buffer.from('{}') }),
    layers,
    subject: undefined,
  };
}

function descriptorOf({ mediaType, bytes, annotations = {} }: Layer): Descriptor {
  return {
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: new Map(Object.entries(annotations)),
    artifactType: undefined,
    platform: undefined,
  };
}
