import type { TrustMaterial } from '@sigstore/verify';

/** Whose word counts: certificate authorities, transparency logs, certificate logs and time stamping authorities. */
export interface TrustRoot {
  /** Validity windows of authorities and logs are part of it: what was signed within one stays good after it. */
  readonly material: TrustMaterial;
}

/** Where the trust root comes from. */
export interface TrustRootSource {
  /** True when asking may mean talking to the outside: what needs no roots is then better judged without them. */
  readonly needsNetwork?: boolean;
  /**
   * The roots keyless signatures are judged by. Kept after the first success; after a failure it is tried again, at most
   * once in ten seconds.
   *
   * @throws ArtifactError `trust-root-unavailable`
   */
  trustRoot(): Promise<TrustRoot>;
}
