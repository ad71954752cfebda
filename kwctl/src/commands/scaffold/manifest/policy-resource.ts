import { jsonFrom, type JsonObject, type JsonValue, type PolicyMetadata } from '@portcullis/protocol';
import { KwctlError } from '../../../errors.ts';
import { printable } from '../../../output/log.ts';

/** The kinds a manifest can be made of. */
export type PolicyKind = 'ClusterAdmissionPolicy' | 'AdmissionPolicy';

export interface PolicyResourceOptions {
  readonly kind: PolicyKind;
  /** Where the cluster finds the module. */
  readonly module: string;
  readonly settings: JsonObject;
  /** Wins over the title in the metadata. */
  readonly title: string | undefined;
  /** Grants the Kubernetes resources that the metadata asks for. Only cluster-wide policies can be granted any. */
  readonly allowContextAware: boolean;
}

const TITLE = 'io.kubewarden.policy.title';
/** Annotations that say something about the policy in a cluster, too. */
const KEPT_ANNOTATIONS = ['io.kubewarden.policy.category', 'io.kubewarden.policy.severity'];

/**
 * The custom resource that puts a policy to work, with the key order other tools write.
 *
 * @throws KwctlError `metadata-invalid` when the title is no name of a resource
 */
export function policyResource(metadata: PolicyMetadata, options: PolicyResourceOptions): JsonObject {
  const { kind, module, settings, title, allowContextAware } = options;
  const annotations = new Map(Object.entries(metadata.annotations ?? {}));
  const resources = kind === 'ClusterAdmissionPolicy' && allowContextAware ? metadata.contextAwareResources : [];
  const spec = new Map<string, JsonValue>([
    ['module', module],
    ['settings', settings],
    ['rules', rulesOf(metadata)],
    ['mutating', metadata.mutating],
  ]);
  if (!metadata.backgroundAudit) spec.set('backgroundAudit', false);
  if (resources.length > 0) spec.set('contextAwareResources', jsonFrom(resources));
  return new Map<string, JsonValue>([
    ['apiVersion', 'policies.kubewarden.io/v1'],
    ['kind', kind],
    ['metadata', resourceMetadata(annotations, title ?? annotations.get(TITLE))],
    ['spec', spec],
  ]);
}

function rulesOf({ rules }: PolicyMetadata): JsonValue {
  return jsonFrom(
    rules.map(({ apiGroups, apiVersions, resources, operations }) => ({
      apiGroups,
      apiVersions,
      resources,
      operations,
    })),
  );
}

function resourceMetadata(annotations: ReadonlyMap<string, string>, title: string | undefined): JsonObject {
  const kept = KEPT_ANNOTATIONS.flatMap((key): [string, string][] => {
    const value = annotations.get(key);
    return value === undefined ? [] : [[key, value]];
  });
  const metadata: JsonObject = new Map();
  if (kept.length > 0) metadata.set('annotations', new Map<string, JsonValue>(kept));
  if (title !== undefined) metadata.set('name', checkedTitle(title));
  return metadata;
}

const MAX_HOST_NAME = 253;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const HOST_NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);

function checkedTitle(title: string): string {
  if (title.length <= MAX_HOST_NAME && HOST_NAME.test(title)) return title;
  throw new KwctlError(
    'metadata-invalid',
    `Invalid title '${printable(title)}'. Must conform to RFC 1123: use lowercase alphanumeric chars, '-' or '.', and start/end with an alphanumeric character.`,
  );
}
