import { createHash, type Hash } from 'node:crypto';
import { ArtifactError } from '../errors.ts';
import type { Draft } from '../store/draft.ts';
import { refuseNoModule, refusePage } from '../module-bytes.ts';

/** How far a download has come. */
export interface DownloadProgress {
  readonly receivedBytes: number;
  /** `undefined` when the server does not say. */
  readonly totalBytes: number | undefined;
}

export interface ReceptionOptions {
  /** Where the bytes come from, for errors. */
  readonly name: string;
  readonly maxBytes: number;
  readonly totalBytes: number | undefined;
  readonly onProgress: (progress: DownloadProgress) => void;
  /** @default 'sha256' */
  readonly algorithm?: string;
  /** Nothing but the first bytes tells what comes: what begins as no module is not waited for. */
  readonly isUnannounced?: boolean;
}

/** Bytes on their way into a draft: counted, bounded and hashed as they come; no more than one piece is ever held. */
export class Reception {
  readonly #draft: Draft;
  readonly #options: ReceptionOptions;
  #hash: Hash;

  constructor(draft: Draft, options: ReceptionOptions) {
    this.#draft = draft;
    this.#options = options;
    this.#hash = this.#newHash();
  }

  get length(): number {
    return this.#draft.length;
  }

  /** Takes what an earlier attempt left in the draft as received. */
  async recall(): Promise<void> {
    this.#hash = this.#newHash();
    for await (const piece of this.#draft.content()) this.#hash.update(piece);
  }

  async restart(): Promise<void> {
    await this.#draft.restart();
    this.#hash = this.#newHash();
  }

  /** Takes all of a body, behind what is there. */
  async take(body: AsyncIterable<Uint8Array>): Promise<void> {
    const { name, maxBytes, totalBytes, onProgress, isUnannounced } = this.#options;
    for await (const piece of body) {
      if (this.length === 0) refusePage(piece.subarray(0, 64), name);
      if (this.length === 0 && isUnannounced === true && piece.length >= 4) refuseNoModule(piece.subarray(0, 4), name);
      if (this.length + piece.length > maxBytes) throw tooLarge(name, maxBytes);
      this.#hash.update(piece);
      await this.#draft.write(piece);
      onProgress({ receivedBytes: this.length, totalBytes });
    }
  }

  /** Of all that was received: `sha256:…`. */
  digest(): string {
    return `${this.#algorithm}:${this.#hash.copy().digest('hex')}`;
  }

  /** @throws ArtifactError `module-invalid` when all that was received is no WebAssembly */
  async checkIsModule(): Promise<void> {
    refuseNoModule(await this.#draft.head(), this.#options.name);
  }

  get #algorithm(): string {
    return this.#options.algorithm ?? 'sha256';
  }

  #newHash(): Hash {
    return createHash(this.#algorithm);
  }
}

export function tooLarge(name: string, maxBytes: number, announced?: number): ArtifactError {
  const size = announced === undefined ? 'more bytes' : `${announced} bytes, more`;
  return new ArtifactError(
    'download-too-large',
    `${name} has ${size} than the ${maxBytes} a policy may have – check that this is the policy`,
  );
}
