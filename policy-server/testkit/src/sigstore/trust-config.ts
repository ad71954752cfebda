import type { KeyObject } from 'node:crypto';
import {
  type CertificateAuthority,
  ClientTrustConfig,
  HashAlgorithm,
  PublicKeyDetails,
  type TransparencyLogInstance,
  TrustedRoot,
} from '@sigstore/protobuf-specs';
import type { Fulcio } from './fulcio.ts';
import type { TimestampAuthority } from './timestamp-authority.ts';

/** A log, as those who trust it know it. */
export interface TrustedLog {
  readonly url: string;
  readonly publicKey: KeyObject;
  readonly id: Buffer;
}

/** Whom clients shall trust; each kind may be missing. */
export interface TrustedServices {
  readonly fulcio: readonly Fulcio[];
  readonly rekor: readonly TrustedLog[];
  readonly ctLogs: readonly TrustedLog[];
  readonly timestampAuthorities: readonly TimestampAuthority[];
  /** From when on the logs' keys are valid. */
  readonly validFrom: Date;
  /** Until when authorities and logs are trusted; for ever when absent. */
  readonly validUntil?: Date;
}

/** A `TrustedRoot` as protobuf JSON, for `cosign --trusted-root`. */
export function trustedRootJson(services: TrustedServices): string {
  return JSON.stringify(TrustedRoot.toJSON(trustedRoot(services)));
}

/** A `ClientTrustConfig` as protobuf JSON: the trusted root, and signing services that are none. */
export function trustConfigJson(services: TrustedServices): string {
  const config = {
    mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
    trustedRoot: trustedRoot(services),
    signingConfig: {
      mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
      caUrls: [],
      oidcUrls: [],
      rekorTlogUrls: [],
      rekorTlogConfig: undefined,
      tsaUrls: [],
      tsaConfig: undefined,
    },
  };
  return JSON.stringify(ClientTrustConfig.toJSON(config));
}

function trustedRoot(services: TrustedServices): TrustedRoot {
  const { fulcio, rekor, ctLogs, timestampAuthorities, validFrom, validUntil } = services;
  const validity = { start: validFrom, end: validUntil };
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: rekor.map((log) => logInstance(log, validity)),
    certificateAuthorities: fulcio.map(({ intermediate, root, validFrom: start }) =>
      authority('fulcio', [intermediate.der, root.der], { start, end: validUntil }),
    ),
    ctlogs: ctLogs.map((log) => logInstance(log, validity)),
    timestampAuthorities: timestampAuthorities.map(({ chain, validFrom: start }) =>
      authority('timestamp', chain, { start, end: validUntil }),
    ),
  };
}

interface Validity {
  readonly start: Date;
  readonly end: Date | undefined;
}

function logInstance({ url, publicKey, id }: TrustedLog, validFor: Validity): TransparencyLogInstance {
  const ed25519 = publicKey.asymmetricKeyType === 'ed25519';
  return {
    baseUrl: url,
    hashAlgorithm: HashAlgorithm.SHA2_256,
    publicKey: {
      rawBytes: publicKey.export({ type: 'spki', format: 'der' }),
      keyDetails: ed25519 ? PublicKeyDetails.PKIX_ED25519 : PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
      validFor,
    },
    logId: { keyId: id },
    checkpointKeyId: undefined,
    operator: 'portcullis.test',
  };
}

function authority(commonName: string, chain: readonly Buffer[], validFor: Validity): CertificateAuthority {
  return {
    subject: { organization: 'portcullis.test', commonName },
    uri: `https://${commonName}.test`,
    certChain: { certificates: chain.map((rawBytes) => ({ rawBytes })) },
    validFor,
    operator: 'portcullis.test',
  };
}
