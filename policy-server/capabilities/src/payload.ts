import { boolean, convertTo, list, optional, parseJson, readAs, required, string, struct } from '@portcullis/protocol';
import type { Shape, SubjectAccessReviewSpec } from '@portcullis/protocol';
import { CapabilityError } from './errors.ts';
import type { CapabilityRequest, CapabilityRequestType } from './request.ts';
import { certificateRequestShape, requestShape } from './request-schema.ts';

/** Reads the payload of one operation. Throws the JSON parser's error, whose text guests see. */
type PayloadReader = (payload: Uint8Array) => CapabilityRequest;

function imageReader(type: 'OciManifestDigest' | 'OciManifest' | 'OciManifestAndConfig'): PayloadReader {
  return (payload) => ({ type, image: readAs(string, payload) });
}

function structReader(type: CapabilityRequestType, name: string): PayloadReader {
  const shape = requestShape(type, name);
  return (payload) => readAs(shape, payload);
}

const VERIFY_V1_TYPES = ['SigstorePubKeyVerify', 'SigstoreKeylessVerify'] as const;
const VERIFY_V2_TYPES = [
  ...VERIFY_V1_TYPES,
  'SigstoreKeylessPrefixVerify',
  'SigstoreGithubActionsVerify',
  'SigstoreCertificateVerify',
] as const;

/** The operations guests may ask for, by namespace. `tracing/log` is not among them: it never fails and is not gated. */
export const PAYLOAD_READERS: ReadonlyMap<string, ReadonlyMap<string, PayloadReader>> = new Map([
  [
    'oci',
    new Map<string, PayloadReader>([
      ['v1/verify', readVerifyV1],
      ['v2/verify', readVerifyV2],
      ['v1/manifest_digest', imageReader('OciManifestDigest')],
      ['v1/oci_manifest', imageReader('OciManifest')],
      ['v1/oci_manifest_config', imageReader('OciManifestAndConfig')],
    ]),
  ],
  [
    'net',
    new Map<string, PayloadReader>([
      ['v1/dns_lookup_host', (payload) => ({ type: 'DNSLookupHost', host: readAs(string, payload) })],
    ]),
  ],
  ['crypto', new Map<string, PayloadReader>([['v1/is_certificate_trusted', readCertificateRequest]])],
  [
    'kubernetes',
    new Map<string, PayloadReader>([
      [
        'list_resources_by_namespace',
        structReader('KubernetesListResourceNamespace', 'struct ListResourcesByNamespaceRequest'),
      ],
      ['list_resources_all', structReader('KubernetesListResourceAll', 'struct ListAllResourcesRequest')],
      ['get_resource', structReader('KubernetesGetResource', 'struct GetResourceRequest')],
      ['can_i', readCanI],
    ]),
  ],
]);

/** What the host may ask for on its own behalf besides what guests may. */
export const HOST_ONLY_READERS: ReadonlyMap<string, PayloadReader> = new Map<string, PayloadReader>([
  ['get_resource_plural_name', structReader('KubernetesGetResourcePluralName', 'struct GetResourcePluralNameRequest')],
  [
    'has_list_resources_all_result_changed_since_instant',
    structReader(
      'HasKubernetesListResourceAllResultChangedSinceInstant',
      'struct HasListResourcesAllResultChangedSinceInstantRequest',
    ),
  ],
]);

function readCertificateRequest(payload: Uint8Array): CapabilityRequest {
  return { type: 'CryptoIsCertificateTrusted', request: readAs(certificateRequestShape, payload) };
}

const attributesShape = struct('struct ResourceAttributes', {
  group: optional(string),
  name: optional(string),
  namespace: optional(string),
  resource: required(string),
  subresource: optional(string),
  verb: required(string),
  version: optional(string),
});

const reviewMembersShape = struct('struct SubjectAccessReview', {
  groups: optional(list(string)),
  resource_attributes: optional(attributesShape),
  resourceAttributes: optional(attributesShape),
  user: required(string),
});

/** The Go SDK spells `resource_attributes` the Kubernetes way. */
const reviewShape: Shape<SubjectAccessReviewSpec> = {
  expecting: reviewMembersShape.expecting,
  read(reader) {
    const { resource_attributes, resourceAttributes, ...rest } = reviewMembersShape.read(reader);
    const attributes = resource_attributes ?? resourceAttributes;
    if (attributes === undefined) throw reader.error('data', 'missing field `resource_attributes`');
    return { ...rest, resource_attributes: attributes };
  },
};

const canIShape = struct('struct CanIRequest', {
  subject_access_review: required(reviewShape),
  disable_cache: required(boolean),
});

function readCanI(payload: Uint8Array): CapabilityRequest {
  const { subject_access_review, disable_cache } = readAs(canIShape, payload);
  return { type: 'KubernetesCanI', request: subject_access_review, disable_cache };
}

/** Tagged from outside: `{"SigstorePubKeyVerify": {…}}`. */
const verifyV1Shape: Shape<CapabilityRequest> = {
  expecting: 'enum SigstoreVerificationInputV1',
  read(reader) {
    if (reader.token() !== 'object') throw reader.error('data', 'expected an object with one member');
    reader.enter();
    const name = reader.nextKey(true);
    const type = VERIFY_V1_TYPES.find((candidate) => candidate === name);
    if (type === undefined) throw reader.error('data', unknownVariant(name, VERIFY_V1_TYPES));
    reader.readColon();
    const request = requestShape(type).read(reader);
    if (reader.nextKey(false) !== undefined) throw reader.error('data', 'expected an object with one member');
    return request;
  },
};

function readVerifyV1(payload: Uint8Array): CapabilityRequest {
  return readAs(verifyV1Shape, payload);
}

/** Tagged from inside: `{"type": "SigstorePubKeyVerify", …}`. */
function readVerifyV2(payload: Uint8Array): CapabilityRequest {
  const value = parseJson(payload);
  const { type: name } = convertTo(struct('internally tagged enum', { type: required(string) }), value);
  const type = VERIFY_V2_TYPES.find((candidate) => candidate === name);
  if (type === undefined) throw new CapabilityError('payload-invalid', unknownVariant(name, VERIFY_V2_TYPES));
  return convertTo(requestShape(type), value);
}

function unknownVariant(name: string | undefined, known: readonly string[]): string {
  return `unknown variant \`${(name ?? '').slice(0, 200)}\`, expected one of ${known.map((type) => `\`${type}\``).join(', ')}`;
}
