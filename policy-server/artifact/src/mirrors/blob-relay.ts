import { createHash, type Hash } from 'node:crypto';
import { ArtifactError } from '../errors.ts';
import type { BlobOptions, BlobStream, Descriptor, Repository } from '../registry/registry.ts';
import type { Mirror } from '../sources/sources.ts';
import { firstAnswer, passOver, refuseAborted } from './attempt.ts';
import { mirrorName, mirrorsOf, type MirrorContext } from './mirror-context.ts';

/** A blob on its way from one host, its first piece here. */
interface OpenBlob {
  /** `undefined` = the registry itself. */
  readonly mirror: Mirror | undefined;
  readonly startsAt: number;
  readonly pieces: AsyncIterator<Uint8Array>;
  readonly first: IteratorResult<Uint8Array> | undefined;
}

/** What is to be relayed. */
export interface WantedBlob {
  readonly repository: Repository;
  readonly descriptor: Descriptor;
  readonly options: BlobOptions;
}

/**
 * One blob from as many hosts as it takes: where one breaks off, the next goes on. No more than a piece is ever held. What
 * begins here is hashed, and its last piece held back until the whole is right, so that bytes a mirror has changed are never
 * complete: the caller's next attempt begins anew, elsewhere.
 */
export class BlobRelay {
  readonly #context: MirrorContext;
  readonly #wanted: WantedBlob;
  /** Who has not been asked yet. */
  #mirrors: readonly Mirror[];
  readonly #givers = new Set<Mirror>();
  #hash: Hash | undefined;
  #position = 0;

  constructor(context: MirrorContext, wanted: WantedBlob) {
    const { digest } = wanted.descriptor;
    this.#context = context;
    this.#wanted = wanted;
    this.#mirrors = mirrorsOf(context, wanted.repository).filter(({ host }) => context.health.isTrusted(host, digest));
  }

  async open(): Promise<BlobStream> {
    const { repository, descriptor, options } = this.#wanted;
    const isTainted = this.#context.health.takeTaint(descriptor.digest);
    const offset = isTainted ? 0 : (options.offset ?? 0);
    const opened = await this.#openMirror(offset);
    if (opened === undefined) return this.#context.client.openBlob(repository, descriptor, { ...options, offset });
    const { startsAt } = opened;
    this.#position = startsAt;
    // Of a blob that is continued the beginning is known to the caller only.
    if (startsAt === 0) this.#hash = createHash(this.#algorithm);
    return { startsAt, body: this.#relay(opened) };
  }

  async *#relay(first: OpenBlob): AsyncGenerator<Uint8Array, void> {
    let opened = first;
    for (;;) {
      const last = yield* this.#take(opened);
      if (last !== undefined) {
        this.#refuseDamage();
        yield last;
        return;
      }
      opened = (await this.#openMirror(this.#position)) ?? (await this.#openSource());
    }
  }

  /** Passes on what comes from one host, but for the piece that ends the blob: that is returned. `undefined` when a mirror broke off. */
  async *#take(opened: OpenBlob): AsyncGenerator<Uint8Array, Uint8Array | undefined> {
    const { repository, descriptor, options } = this.#wanted;
    let last: Uint8Array | undefined;
    try {
      for await (const piece of piecesFrom(opened, this.#position)) {
        if (opened.mirror !== undefined) this.#givers.add(opened.mirror);
        this.#hash?.update(piece);
        this.#position += piece.length;
        if (this.#position < descriptor.size) yield piece;
        else last = piece;
      }
    } catch (error) {
      if (opened.mirror === undefined || options.signal?.aborted === true) throw error;
      passOver(this.#context, opened.mirror, { repository, what: `@${descriptor.digest}`, error });
    }
    return last;
  }

  async #openMirror(offset: number): Promise<OpenBlob | undefined> {
    const { repository, descriptor, options } = this.#wanted;
    const answer = await firstAnswer(this.#context, {
      repository,
      what: `@${descriptor.digest}`,
      mirrors: this.#mirrors,
      signal: options.signal,
      ask: async (where, signal) => {
        const { startsAt, body } = await this.#context.client.openBlob(where, descriptor, {
          ...options,
          offset,
          signal,
        });
        const pieces = body[Symbol.asyncIterator]();
        return { startsAt, pieces, first: await pieces.next() };
      },
    });
    this.#mirrors = answer === undefined ? [] : this.#mirrors.slice(this.#mirrors.indexOf(answer.mirror) + 1);
    return answer === undefined ? undefined : { mirror: answer.mirror, ...answer.value };
  }

  async #openSource(): Promise<OpenBlob> {
    const { repository, descriptor, options } = this.#wanted;
    refuseAborted(options.signal);
    const offset = this.#position;
    const { startsAt, body } = await this.#context.client.openBlob(repository, descriptor, { ...options, offset });
    return { mirror: undefined, startsAt, pieces: body[Symbol.asyncIterator](), first: undefined };
  }

  #refuseDamage(): void {
    const { digest } = this.#wanted.descriptor;
    const actual = this.#hash === undefined ? digest : `${this.#algorithm}:${this.#hash.digest('hex')}`;
    if (actual === digest || this.#givers.size === 0) return;
    const { health, log } = this.#context;
    const names = [...this.#givers].map(mirrorName).join(', ');
    for (const { host } of this.#givers) health.distrust(host, digest);
    health.taint(digest);
    log({
      level: 'warn',
      target: 'policy_fetcher::registry',
      message: 'A mirror hands out changed content, and is not asked for it again',
      fields: { mirror: names, expected: digest, got: actual },
    });
    throw new ArtifactError(
      'download-stalled',
      `the blob that came from the mirror ${names} is not the one it should be – expected ${digest}, got ${actual}; ` +
        'it is not asked for it again: the next attempt begins anew with others',
    );
  }

  get #algorithm(): string {
    const { digest } = this.#wanted.descriptor;
    return digest.slice(0, digest.indexOf(':'));
  }
}

/** The pieces from `position` on, whether or not the host could begin there. */
async function* piecesFrom({ startsAt, pieces, first }: OpenBlob, position: number): AsyncGenerator<Uint8Array, void> {
  let at = startsAt;
  try {
    for (let next = first ?? (await pieces.next()); next.done !== true; next = await pieces.next()) {
      const known = Math.min(Math.max(position - at, 0), next.value.length);
      at += next.value.length;
      if (known < next.value.length) yield next.value.subarray(known);
    }
  } finally {
    await pieces.return?.();
  }
}
