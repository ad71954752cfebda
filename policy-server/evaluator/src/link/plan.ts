/**
 * What the link step did to one core module and what it proved about it. Plain data: it is posted to threads and kept as JSON in
 * the disk cache.
 */
export interface LinkPlan {
  /** The memory the module wants to be given; absent = it owns its memory, or has none. */
  readonly memory?: MemoryImport;
  /** What its own tables have together at their start; absent = nothing. */
  readonly tableEntries?: number;
  /** Every mutable global, exported for the host: the logical memory size among them. */
  readonly globals: readonly MutableGlobal[];
  /** The mutable global that holds the memory's logical size in pages, by its export; absent = `memory.size` is the engine's. */
  readonly logicalPages?: string;
  /** The former start function: exported, so that the host calls it like any other code, under a deadline. */
  readonly startFunction?: string;
  /** Whether an instance brought back to its image is the same as a fresh one. */
  readonly image: ImageProof;
  /** How to go on from a program's first read of standard input; see `go-checkpoint.ts`. Absent = not a program of that shape. */
  readonly checkpoint?: Checkpoint;
}

export interface MemoryImport {
  readonly module: string;
  readonly name: string;
  readonly initialPages: number;
  readonly maximumPages: number;
}

export interface MutableGlobal {
  readonly exportName: string;
  readonly type: 'i32' | 'i64' | 'f32' | 'f64';
}

export type ImageProof = { readonly covered: true } | { readonly covered: false; readonly reason: string };

/** Exports through which a program that was stopped inside its first `fd_read` goes on from an image taken there. */
export interface Checkpoint {
  /** Performs the read again. */
  readonly read: string;
  /** Goes on after it; called once `read` has returned. */
  readonly resume: string;
}

/** Names of what the link step adds. A module that uses them itself is refused. */
export const LINK_MODULE = 'portcullis';
export const CONTROL_IMPORT = 'control';
export const MEMORY_IMPORT = 'memory';
/** Prefix of every export the link step adds. */
export const LINK_EXPORT_PREFIX = 'portcullis:';
