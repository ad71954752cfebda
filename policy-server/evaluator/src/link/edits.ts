/** What is changed at a position of a function's body. */
export const Edit = {
  /** A check goes in front of what stands here. */
  check: 0,
  /** `memory.size` is replaced. */
  size: 1,
  /** `memory.grow` is replaced. */
  grow: 2,
  /** `memory.fill` is replaced. */
  fill: 3,
  /** `memory.copy` is replaced. */
  copy: 4,
} as const;

export type EditKind = (typeof Edit)[keyof typeof Edit];

/** The changes of one function body in the order of their positions, in arrays that are used again for the next. */
export class EditList {
  positions = new Int32Array(1024);
  /** How many bytes of the original go. */
  lengths = new Uint8Array(1024);
  kinds = new Uint8Array(1024);
  length = 0;

  add(kind: EditKind, position: number, length = 0): void {
    if (this.length === this.positions.length) this.#grow();
    this.positions[this.length] = position;
    this.lengths[this.length] = length;
    this.kinds[this.length++] = kind;
  }

  #grow(): void {
    const { positions, lengths, kinds } = this;
    this.positions = new Int32Array(positions.length * 2);
    this.lengths = new Uint8Array(lengths.length * 2);
    this.kinds = new Uint8Array(kinds.length * 2);
    this.positions.set(positions);
    this.lengths.set(lengths);
    this.kinds.set(kinds);
  }
}
