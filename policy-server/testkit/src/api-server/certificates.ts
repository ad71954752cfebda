import type { generate } from 'selfsigned';

/** A key and certificate, both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const TWO_DAYS_MS = 2 * 24 * 3_600_000;

/** A certificate authority of our own. */
export async function createAuthority(commonName: string): Promise<KeyPair> {
  return issue([{ name: 'commonName', value: commonName }], undefined, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, digitalSignature: true, critical: true },
  ]);
}

/** A serving certificate for loopback, signed by `authority`. */
export async function createServerCertificate(authority: KeyPair, commonName = 'localhost'): Promise<KeyPair> {
  return issue([{ name: 'commonName', value: commonName }], authority, [
    { name: 'basicConstraints', cA: false },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: [
        { type: 2, value: 'localhost' },
        { type: 2, value: 'kubernetes.default.svc' },
        { type: 7, ip: '127.0.0.1' },
      ],
    },
  ]);
}

/** A client certificate; Kubernetes reads the user from the common name and the groups from the organisations. */
export async function createClientCertificate(authority: KeyPair, user: string, group?: string): Promise<KeyPair> {
  const subject = [{ name: 'commonName', value: user }];
  if (group !== undefined) subject.unshift({ name: 'organizationName', value: group });
  return issue(subject, authority, [
    { name: 'basicConstraints', cA: false },
    { name: 'extKeyUsage', clientAuth: true },
  ]);
}

async function issue(
  subject: { name: string; value: string }[],
  authority: KeyPair | undefined,
  extensions: NonNullable<Parameters<typeof generate>[1]>['extensions'],
): Promise<KeyPair> {
  // Loaded when first asked for: it takes longer to load than many a test runs.
  const selfsigned = await import('selfsigned');
  const pems = await selfsigned.generate(subject, {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 60_000),
    notAfterDate: new Date(Date.now() + TWO_DAYS_MS),
    extensions,
    ...(authority === undefined ? {} : { ca: { cert: authority.cert, key: authority.key } }),
  });
  return { cert: pems.cert, key: pems.private };
}
