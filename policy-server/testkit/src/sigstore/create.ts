import type { Sigstore } from './sigstore.ts';

export interface SigstoreOptions {
  /** The clock of certificate authority and log; timestamps are by the machine's. */
  readonly now?: () => Date;
}

/** Starts a Sigstore with keys of its own. Two of them are strangers to each other. */
export async function createSigstore(options: SigstoreOptions = {}): Promise<Sigstore> {
  // Loaded when first asked for: most tests that import this package sign nothing.
  const [{ Sigstore: Services }, { createTimestampAuthority }] = await Promise.all([
    import('./sigstore.ts'),
    import('./timestamp-authority.ts'),
  ]);
  return new Services(options.now ?? (() => new Date()), await createTimestampAuthority());
}
