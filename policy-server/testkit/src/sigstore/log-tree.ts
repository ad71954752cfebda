import { type KeyObject, sign } from 'node:crypto';
import type { InclusionProof } from '@sigstore/protobuf-specs';
import { MerkleTree } from './merkle-tree.ts';

/** Who signs the heads of a tree. */
export interface TreeSigner {
  /** First line of a checkpoint; its first word names the signer. */
  readonly origin: string;
  /** Its first four bytes go before each signature. */
  readonly id: Buffer;
  readonly privateKey: KeyObject;
}

/** The tree of a log, whose size and root are signed after each entry. It is not empty: others were there before. */
export class LogTree {
  readonly #tree = new MerkleTree();
  readonly #signer: TreeSigner;

  constructor(signer: TreeSigner) {
    this.#signer = signer;
    for (const other of ['first', 'second', 'third']) this.#tree.append(Buffer.from(`{"entry":"${other}"}`));
  }

  /** Adds an entry and proves that it is there; `signingKey` signs in place of the log. */
  append(body: Buffer, signingKey = this.#signer.privateKey): InclusionProof {
    const logIndex = this.#tree.append(body);
    return {
      logIndex: String(logIndex),
      rootHash: this.#tree.root(),
      treeSize: String(this.#tree.size),
      hashes: this.#tree.inclusionProof(logIndex),
      checkpoint: { envelope: this.#checkpoint(signingKey) },
    };
  }

  /** Size and root in a signed note, as golang.org/x/mod/sumdb/note has them. */
  #checkpoint(key: KeyObject): string {
    const { origin, id } = this.#signer;
    const note = `${origin}\n${this.#tree.size}\n${this.#tree.root().toString('base64')}\n`;
    const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
    const signature = Buffer.concat([id.subarray(0, 4), sign(hash, Buffer.from(note), key)]);
    return `${note}\n\u2014 ${origin.split(' ')[0]} ${signature.toString('base64')}\n`;
  }
}
