/** How one registry lets somebody in. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, exchanged for access tokens at the registry's token service. */
  | { readonly kind: 'identity-token'; readonly token: string };

/** Where credentials come from. */
export interface CredentialSource {
  /**
   * The credential of exactly this registry host (`host` or `host:port`); `undefined` = anonymous. Never rejects: what cannot be
   * looked up is logged, without secrets.
   */
  credentialFor(registryHost: string): Promise<Credential | undefined>;
}

export const ANONYMOUS: CredentialSource = { credentialFor: () => Promise.resolve(undefined) };
