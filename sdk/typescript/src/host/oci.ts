import type {
  OciManifestDigestResponse,
  SigstoreCertificateVerify,
  SigstoreGithubActionsVerify,
  SigstoreKeylessPrefixVerify,
  SigstoreKeylessVerify,
  SigstorePubKeyVerify,
  VerifyResponse,
} from '@portcullis/protocol';
import { encodeText } from './text.ts';
import type { HostCaller } from './transport.ts';

/** An OCI manifest or index, as the registry serves it. */
export interface OciDocument {
  readonly schemaVersion: number;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config?: OciDescriptor;
  readonly layers?: readonly OciDescriptor[];
  /** Only in an index: one manifest per platform. */
  readonly manifests?: readonly OciDescriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface OciDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string };
}

export interface OciManifestAndConfig {
  readonly manifest: OciDocument;
  readonly digest: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** What every verification asks. */
export interface VerificationQuery {
  readonly image: string;
  /** Signature annotations that must be present with these values. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PublicKeysQuery extends VerificationQuery {
  /** PEM; the image must be signed with each of them. */
  readonly publicKeys: readonly string[];
}

export interface KeylessQuery extends VerificationQuery {
  readonly identities: readonly { readonly issuer: string; readonly subject: string }[];
}

export interface KeylessPrefixQuery extends VerificationQuery {
  readonly identities: readonly { readonly issuer: string; readonly urlPrefix: string }[];
}

export interface GithubActionsQuery extends VerificationQuery {
  readonly owner: string;
  /** @default any repository of the owner */
  readonly repo?: string;
}

export interface CertificateQuery extends VerificationQuery {
  /** PEM. */
  readonly certificate: string;
  /** PEM, intermediates first, root last. */
  readonly certificateChain?: readonly string[];
  /** @default true */
  readonly requireRekorBundle?: boolean;
}

/** `digest` is the one that was verified: pin the image to it. An image that cannot be trusted is a `HostCallError`. */
export interface Verification {
  readonly isTrusted: boolean;
  readonly digest: string;
}

/** Asks registries about images, and sigstore about their signatures. */
export interface OciHost {
  manifestDigest(image: string): string;
  /** The manifest, or the index of a multi-platform image. */
  manifest(image: string): OciDocument;
  /** The manifest for the host's own platform, with the image's configuration. */
  manifestAndConfig(image: string): OciManifestAndConfig;
  verifyPublicKeys(query: PublicKeysQuery): Verification;
  verifyKeyless(query: KeylessQuery): Verification;
  verifyKeylessPrefix(query: KeylessPrefixQuery): Verification;
  verifyGithubActions(query: GithubActionsQuery): Verification;
  verifyCertificate(query: CertificateQuery): Verification;
  /** The first version of the operation, for hosts and allow-lists that know only `oci/v1/verify`. */
  readonly v1: Pick<OciHost, 'verifyPublicKeys' | 'verifyKeyless'>;
}

export function createOciHost(call: HostCaller): OciHost {
  return {
    manifestDigest: (image) => (call('oci', 'v1/manifest_digest', image) as OciManifestDigestResponse).digest,
    manifest: (image) => call('oci', 'v1/oci_manifest', image) as OciDocument,
    manifestAndConfig: (image) => call('oci', 'v1/oci_manifest_config', image) as OciManifestAndConfig,
    verifyPublicKeys: (query) => verify(call, publicKeys(query)),
    verifyKeyless: (query) => verify(call, keyless(query)),
    verifyKeylessPrefix: ({ image, annotations, identities }) =>
      verify(call, {
        type: 'SigstoreKeylessPrefixVerify',
        image,
        keyless_prefix: identities.map(({ issuer, urlPrefix }) => ({ issuer, url_prefix: urlPrefix })),
        annotations,
      }),
    verifyGithubActions: ({ image, annotations, owner, repo }) =>
      verify(call, { type: 'SigstoreGithubActionsVerify', image, owner, repo, annotations }),
    verifyCertificate: ({ image, annotations, certificate, certificateChain, requireRekorBundle = true }) =>
      verify(call, {
        type: 'SigstoreCertificateVerify',
        image,
        certificate: encodeText(certificate),
        certificate_chain: certificateChain?.map(encodeText),
        require_rekor_bundle: requireRekorBundle,
        annotations,
      }),
    v1: {
      verifyPublicKeys: (query) => verifyV1(call, publicKeys(query)),
      verifyKeyless: (query) => verifyV1(call, keyless(query)),
    },
  };
}

/** On this side annotations are the author's object; the protocol's type is what a host makes of them. */
type Outgoing<Request extends { annotations?: unknown }> = {
  [Key in Exclude<keyof Request, 'annotations'>]: Request[Key];
} & { annotations: Readonly<Record<string, string>> | undefined };

type OutgoingV1 = Outgoing<SigstorePubKeyVerify> | Outgoing<SigstoreKeylessVerify>;

type OutgoingV2 =
  | OutgoingV1
  | Outgoing<SigstoreKeylessPrefixVerify>
  | Outgoing<SigstoreGithubActionsVerify>
  | Outgoing<SigstoreCertificateVerify>;

function publicKeys({ image, annotations, publicKeys: keys }: PublicKeysQuery): Outgoing<SigstorePubKeyVerify> {
  return { type: 'SigstorePubKeyVerify', image, pub_keys: [...keys], annotations };
}

function keyless({ image, annotations, identities }: KeylessQuery): Outgoing<SigstoreKeylessVerify> {
  return {
    type: 'SigstoreKeylessVerify',
    image,
    keyless: identities.map(({ issuer, subject }) => ({ issuer, subject })),
    annotations,
  };
}

/** v2 names the kind of verification inside the request … */
function verify(call: HostCaller, request: OutgoingV2): Verification {
  return verification(call('oci', 'v2/verify', request));
}

/** … v1 around it. */
function verifyV1(call: HostCaller, { type, ...request }: OutgoingV1): Verification {
  return verification(call('oci', 'v1/verify', { [type]: request }));
}

function verification(answer: unknown): Verification {
  const { is_trusted: isTrusted, digest } = answer as VerifyResponse;
  return { isTrusted, digest };
}
