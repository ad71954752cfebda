import { createHash } from 'node:crypto';

/** A Merkle tree over log entries, RFC 6962 §2.1. */
export class MerkleTree {
  readonly #leaves: Buffer[] = [];

  get size(): number {
    return this.#leaves.length;
  }

  /** Adds an entry and answers its index. */
  append(entry: Uint8Array): number {
    this.#leaves.push(hash(Buffer.from([0]), entry));
    return this.#leaves.length - 1;
  }

  root(): Buffer {
    return rootOf(this.#leaves);
  }

  /** The hashes from the entry's sibling up to the root. */
  inclusionProof(index: number): Buffer[] {
    return pathOf(this.#leaves, index);
  }
}

function rootOf(leaves: readonly Buffer[]): Buffer {
  if (leaves.length <= 1) return leaves[0] ?? hash();
  const split = splitPoint(leaves.length);
  return hash(Buffer.from([1]), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

function pathOf(leaves: readonly Buffer[], index: number): Buffer[] {
  if (leaves.length <= 1) return [];
  const split = splitPoint(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split ? [...pathOf(left, index), rootOf(right)] : [...pathOf(right, index - split), rootOf(left)];
}

/** The largest power of two below `count`. */
function splitPoint(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

function hash(...parts: readonly Uint8Array[]): Buffer {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest();
}
