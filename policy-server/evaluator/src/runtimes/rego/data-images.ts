import { createHash } from 'node:crypto';
import { type DocumentParts, lengthOf } from './documents.ts';
import { RegoInstances } from './instances.ts';

/** A policy reads 150 kB in a millisecond: shorter documents are read anew in less time than an exchange of instances takes. */
const MIN_BYTES = 4096;

/** Policies that share a module have settings of their own; more than so many with long ones are rare. */
const MAX_DOCUMENTS = 8;

/**
 * Images behind the reading of a data document, for those that are long and stay the same: settings of an OPA policy, or an
 * inventory of objects that nobody changes. Such an image serves evaluations over the very same bytes only, so that nothing of
 * one policy's settings can be seen by another.
 */
export class DataImages {
  readonly #make: () => RegoInstances;
  /** By digest, the one used last at the end; a document that was seen once has no instances yet. */
  readonly #documents = new Map<string, RegoInstances | undefined>();

  /** @param parts - of the policy whose instances load the documents */
  constructor(parts: ConstructorParameters<typeof RegoInstances>[0]) {
    this.#make = () => new RegoInstances(parts);
  }

  /** Instances that have this document loaded; `undefined` = it is short, or new: it may never come again. */
  instancesWith(data: DocumentParts): RegoInstances | undefined {
    if (lengthOf(data) < MIN_BYTES) return undefined;
    const digest = digestOf(data);
    const isKnown = this.#documents.has(digest);
    const instances = isKnown ? (this.#documents.get(digest) ?? this.#make()) : undefined;
    this.#documents.delete(digest);
    this.#documents.set(digest, instances);
    const [oldest] = this.#documents.keys();
    if (this.#documents.size > MAX_DOCUMENTS && oldest !== undefined) this.#documents.delete(oldest);
    return instances;
  }
}

function digestOf(data: DocumentParts): string {
  const hash = createHash('sha256');
  for (const part of data) hash.update(part);
  return hash.digest('base64');
}
