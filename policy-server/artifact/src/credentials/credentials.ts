import { createHash } from 'node:crypto';

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

/** Tells credentials apart, as parts of keys, without keeping them there. */
export function credentialIdentity(credential: Credential | undefined): string {
  if (credential === undefined) return 'anonymous';
  const parts = credential.kind === 'basic' ? [credential.username, credential.password] : [credential.token];
  return createHash('sha256')
    .update(JSON.stringify([credential.kind, ...parts]))
    .digest('hex');
}
