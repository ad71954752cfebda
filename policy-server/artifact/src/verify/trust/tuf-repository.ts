/** A TUF repository and the first root metadata one trusts it by. */
export interface TufRepository {
  readonly url: URL;
  /** `root.json`. */
  root(): Promise<Uint8Array>;
  /** Targets known beforehand: used only when the metadata names their very hash. */
  targets(): Promise<ReadonlyMap<string, Uint8Array>>;
}

const PUBLIC_GOOD_URL = 'https://tuf-repo-cdn.sigstore.dev';

/** The repository of the Sigstore project's own instance. Its root comes with the library. */
export function publicGoodRepository(): TufRepository {
  return {
    url: new URL(PUBLIC_GOOD_URL),
    root: async () => decoded((await seeds())['root.json']),
    async targets() {
      const { targets } = await seeds();
      return new Map(Object.entries(targets).map(([name, text]) => [name, decoded(text)]));
    },
  };
}

async function seeds(): Promise<{ 'root.json': string; targets: Readonly<Record<string, string>> }> {
  const { default: byUrl } = await import('@sigstore/tuf/seeds.json', { with: { type: 'json' } });
  return byUrl[PUBLIC_GOOD_URL];
}

function decoded(base64: string): Uint8Array {
  return Buffer.from(base64, 'base64');
}
