/** What a classic cosign signature says. */
export interface SimpleSigningClaim {
  /** `sha256:…` of the image's manifest. */
  readonly digest: string;
  /** `host/repository`; nobody may rely on it. */
  readonly repository: string;
  /** `null` where cosign got no annotations. */
  readonly optional?: Readonly<Record<string, unknown>> | null;
}

/** The payload that cosign signs, byte for byte. */
export function simpleSigningPayload({ digest, repository, optional = null }: SimpleSigningClaim): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': repository },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional,
    }),
  );
}
