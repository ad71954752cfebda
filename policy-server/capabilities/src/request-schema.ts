import { boolean, list, map, optional, required, string, struct, unsigned, variant } from '@portcullis/protocol';
import type { Field as ShapeField, IsCertificateTrustedRequest, Shape } from '@portcullis/protocol';
import type { CapabilityRequestType, RequestOf } from './request.ts';

/** The type of one member of a request; from it come reading, writing and the text of mismatch errors. */
export type MemberType =
  | 'string'
  | 'bool'
  | 'u8'
  | 'u64'
  /** One of a closed set of names, shown without quotes. */
  | { readonly names: readonly string[] }
  | { readonly optional: MemberType }
  | { readonly list: MemberType }
  /** Texts without order or repetition. */
  | 'string-set'
  | 'string-map'
  | StructType;

export interface StructType {
  readonly struct: string;
  readonly members: Members;
}

/** Member names and types in the order they are written. */
export type Members = readonly (readonly [name: string, type: MemberType])[];

const OPTIONAL_STRING: MemberType = { optional: 'string' };
const ANNOTATIONS: Members[number] = ['annotations', { optional: 'string-map' }];
const IMAGE: Members[number] = ['image', 'string'];
const RESOURCE_TYPE: Members = [
  ['api_version', 'string'],
  ['kind', 'string'],
];
const FIELD_MASKS: Members[number] = ['field_masks', { optional: 'string-set' }];
const SELECTORS: Members = [['label_selector', OPTIONAL_STRING], ['field_selector', OPTIONAL_STRING], FIELD_MASKS];

const RESOURCE_ATTRIBUTES: StructType = {
  struct: 'ResourceAttributes',
  members: [
    ['group', OPTIONAL_STRING],
    ['name', OPTIONAL_STRING],
    ['namespace', OPTIONAL_STRING],
    ['resource', 'string'],
    ['subresource', OPTIONAL_STRING],
    ['verb', 'string'],
    ['version', OPTIONAL_STRING],
  ],
};

const SUBJECT_ACCESS_REVIEW: StructType = {
  struct: 'SubjectAccessReview',
  members: [
    ['groups', { optional: { list: 'string' } }],
    ['resource_attributes', RESOURCE_ATTRIBUTES],
    ['user', 'string'],
  ],
};

const CERTIFICATE: StructType = {
  struct: 'Certificate',
  members: [
    ['encoding', { names: ['Der', 'Pem'] }],
    ['data', { list: 'u8' }],
  ],
};

const CERTIFICATE_VERIFICATION: StructType = {
  struct: 'CertificateVerificationRequest',
  members: [
    ['cert', CERTIFICATE],
    ['cert_chain', { optional: { list: CERTIFICATE } }],
    ['not_after', OPTIONAL_STRING],
  ],
};

function pairList(name: string, [first, second]: readonly [string, string]): MemberType {
  return {
    list: {
      struct: name,
      members: [
        [first, 'string'],
        [second, 'string'],
      ],
    },
  };
}

/** Every request: the tag it has in a session file, and its members. */
export const REQUEST_MEMBERS: Readonly<Record<CapabilityRequestType, Members>> = {
  OciManifestDigest: [IMAGE],
  OciManifest: [IMAGE],
  OciManifestAndConfig: [IMAGE],
  SigstorePubKeyVerify: [IMAGE, ['pub_keys', { list: 'string' }], ANNOTATIONS],
  SigstoreKeylessVerify: [IMAGE, ['keyless', pairList('KeylessInfo', ['issuer', 'subject'])], ANNOTATIONS],
  SigstoreKeylessPrefixVerify: [
    IMAGE,
    ['keyless_prefix', pairList('KeylessPrefixInfo', ['issuer', 'url_prefix'])],
    ANNOTATIONS,
  ],
  SigstoreGithubActionsVerify: [IMAGE, ['owner', 'string'], ['repo', OPTIONAL_STRING], ANNOTATIONS],
  SigstoreCertificateVerify: [
    IMAGE,
    ['certificate', { list: 'u8' }],
    ['certificate_chain', { optional: { list: { list: 'u8' } } }],
    ['require_rekor_bundle', 'bool'],
    ANNOTATIONS,
  ],
  DNSLookupHost: [['host', 'string']],
  KubernetesListResourceNamespace: [...RESOURCE_TYPE, ['namespace', 'string'], ...SELECTORS],
  KubernetesListResourceAll: [...RESOURCE_TYPE, ...SELECTORS],
  KubernetesGetResource: [
    ...RESOURCE_TYPE,
    ['name', 'string'],
    ['namespace', OPTIONAL_STRING],
    ['disable_cache', 'bool'],
    FIELD_MASKS,
  ],
  KubernetesGetResourcePluralName: RESOURCE_TYPE,
  HasKubernetesListResourceAllResultChangedSinceInstant: [
    ...RESOURCE_TYPE,
    ...SELECTORS,
    [
      'since',
      {
        struct: 'Instant',
        members: [
          ['secs', 'u64'],
          ['nanos', 'u64'],
        ],
      },
    ],
  ],
  KubernetesCanI: [
    ['request', SUBJECT_ACCESS_REVIEW],
    ['disable_cache', 'bool'],
  ],
  CryptoIsCertificateTrusted: [['request', CERTIFICATE_VERIFICATION]],
};

/** The shape of a request, to read it from a payload or a session; `name` is what error texts call it. */
export function requestShape<T extends CapabilityRequestType>(
  type: T,
  name: string = `struct variant ${type}`,
): Shape<RequestOf<T>> {
  const shape = membersShape(name, REQUEST_MEMBERS[type]);
  return {
    expecting: shape.expecting,
    // The members come from the same table as the type: REQUEST_MEMBERS is keyed by it.
    read: (reader) => ({ type, ...shape.read(reader) }) as unknown as RequestOf<T>,
  };
}

/** What `crypto/v1/is_certificate_trusted` gets as its whole payload. */
export const certificateRequestShape = membersShape(
  `struct ${CERTIFICATE_VERIFICATION.struct}`,
  CERTIFICATE_VERIFICATION.members,
) as unknown as Shape<IsCertificateTrustedRequest>;

function membersShape(name: string, members: Members): Shape<Record<string, unknown>> {
  const fields: Record<string, ShapeField<unknown>> = {};
  for (const [key, type] of members) fields[key] = fieldOf(type);
  return struct(name, fields);
}

function fieldOf(type: MemberType): ShapeField<unknown> {
  return typeof type === 'object' && 'optional' in type ? optional(shapeOf(type.optional)) : required(shapeOf(type));
}

function shapeOf(type: MemberType): Shape<unknown> {
  switch (type) {
    case 'string':
      return string;
    case 'bool':
      return boolean;
    case 'u8':
      return unsigned('u8', 0xff);
    case 'u64':
      return unsigned('u64', Number.MAX_SAFE_INTEGER);
    case 'string-set':
      return list(string);
    case 'string-map':
      return map(string);
    default:
      return compoundShape(type);
  }
}

function compoundShape(type: Exclude<MemberType, string>): Shape<unknown> {
  if ('names' in type) return variant(type.names);
  if ('struct' in type) return membersShape(`struct ${type.struct}`, type.members);
  if ('optional' in type) return shapeOf(type.optional);
  return list(shapeOf(type.list));
}
