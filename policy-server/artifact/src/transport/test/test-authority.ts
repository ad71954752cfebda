import { createAuthority, createServerCertificate } from '@portcullis/testkit';

/** Made at every import, for a quarter of a second: only for tests of TLS. */
export const authority = await createAuthority('transport-ca');
export const tls = await createServerCertificate(authority);

/** The certificates of these hosts are checked against this authority. */
export function trusting(...hosts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(hosts.map((host) => [host, authority.cert]));
}
