import { JSON } from "json-as";
import { HostAnswer, hostCall } from "./host-call";

// Every kind a policy reads must be listed in its `contextAwareResources`.

@json
class ResourceQuery {
  api_version: string = "";
  kind: string = "";
  @omitnull() name: string | null = null;
  @omitnull() namespace: string | null = null;
  @omitnull() label_selector: string | null = null;
  @omitnull() field_selector: string | null = null;
  /** Always sent: the host requires it for single resources, and ignores it for lists. */
  disable_cache: bool = false;
}

/** One resource. `namespace` is null for resources of the cluster. */
export function getResource(apiVersion: string, kind: string, name: string, namespace: string | null = null): HostAnswer {
  const query = queryFor(apiVersion, kind);
  query.name = name;
  query.namespace = namespace;
  return hostCall("kubernetes", "get_resource", JSON.stringify<ResourceQuery>(query));
}

/** All resources of a kind, as a Kubernetes List. */
export function listResources(apiVersion: string, kind: string, labelSelector: string | null = null): HostAnswer {
  const query = queryFor(apiVersion, kind);
  query.label_selector = labelSelector;
  return hostCall("kubernetes", "list_resources_all", JSON.stringify<ResourceQuery>(query));
}

/** All resources of a kind in one namespace, as a Kubernetes List. */
export function listResourcesByNamespace(
  apiVersion: string,
  kind: string,
  namespace: string,
  labelSelector: string | null = null,
): HostAnswer {
  const query = queryFor(apiVersion, kind);
  query.namespace = namespace;
  query.label_selector = labelSelector;
  return hostCall("kubernetes", "list_resources_by_namespace", JSON.stringify<ResourceQuery>(query));
}

function queryFor(apiVersion: string, kind: string): ResourceQuery {
  const query = new ResourceQuery();
  query.api_version = apiVersion;
  query.kind = kind;
  return query;
}
