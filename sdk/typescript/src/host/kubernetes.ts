import type {
  CanIRequest,
  CanIResponse,
  KubernetesGetRequest,
  KubernetesListAllRequest,
  KubernetesListByNamespaceRequest,
} from '@portcullis/protocol';
import type { HostCaller } from './transport.ts';

export interface ResourceKind {
  /** For example `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  /** Dotted paths of the fields to keep, for example `metadata.labels`; everything by default. */
  readonly fieldMasks?: readonly string[];
}

export interface GetResourceQuery extends ResourceKind {
  readonly name: string;
  /** Leave out for cluster-scoped resources. */
  readonly namespace?: string;
  /** Ask the API server even if the host knows an answer a few seconds old. @default false */
  readonly disableCache?: boolean;
}

export interface ListResourcesQuery extends ResourceKind {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListNamespaceQuery extends ListResourcesQuery {
  readonly namespace: string;
}

/** A Kubernetes list; hosts may leave out everything but the items. */
export interface ResourceList<Resource> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly resourceVersion?: string };
  readonly items: Resource[];
}

/** Whom and what `canI` asks about. */
export interface AccessReview {
  readonly user: string;
  readonly groups?: readonly string[];
  readonly resourceAttributes: {
    readonly verb: string;
    readonly resource: string;
    readonly group?: string;
    readonly version?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
}

/** Reads the cluster; the policy needs the kind among its `contextAwareResources`. */
export interface KubernetesHost {
  getResource<Resource = unknown>(query: GetResourceQuery): Resource;
  listAllResources<Resource = unknown>(query: ListResourcesQuery): ResourceList<Resource>;
  listResourcesByNamespace<Resource = unknown>(query: ListNamespaceQuery): ResourceList<Resource>;
  /** Asks the API server's authorizer (SubjectAccessReview). */
  canI(review: AccessReview, options?: { readonly disableCache?: boolean }): CanIResponse;
}

export function createKubernetesHost(call: HostCaller): KubernetesHost {
  return {
    getResource: <Resource>(query: GetResourceQuery) =>
      call('kubernetes', 'get_resource', {
        api_version: query.apiVersion,
        kind: query.kind,
        name: query.name,
        disable_cache: query.disableCache ?? false,
        ...defined({ namespace: query.namespace, field_masks: copy(query.fieldMasks) }),
      } satisfies KubernetesGetRequest) as Resource,
    listAllResources: <Resource>(query: ListResourcesQuery) =>
      call('kubernetes', 'list_resources_all', listRequest(query)) as ResourceList<Resource>,
    listResourcesByNamespace: <Resource>(query: ListNamespaceQuery) =>
      call('kubernetes', 'list_resources_by_namespace', {
        ...listRequest(query),
        namespace: query.namespace,
      } satisfies KubernetesListByNamespaceRequest) as ResourceList<Resource>,
    canI: ({ user, groups, resourceAttributes }, { disableCache = false } = {}) =>
      call('kubernetes', 'can_i', {
        subject_access_review: {
          user,
          resource_attributes: { ...resourceAttributes },
          ...defined({ groups: copy(groups) }),
        },
        disable_cache: disableCache,
      } satisfies CanIRequest) as CanIResponse,
  };
}

function listRequest(query: ListResourcesQuery): KubernetesListAllRequest {
  return {
    api_version: query.apiVersion,
    kind: query.kind,
    ...defined({
      label_selector: query.labelSelector,
      field_selector: query.fieldSelector,
      field_masks: copy(query.fieldMasks),
    }),
  };
}

function copy(items: readonly string[] | undefined): string[] | undefined {
  return items && [...items];
}

type Defined<T> = { [Key in keyof T]?: NonNullable<T[Key]> };

/** Without the members that are `undefined`: recorded sessions compare requests member by member. */
function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>;
}
