import type { Container, EphemeralContainer, PodSpec } from 'kubernetes-types/core/v1.d.ts';
import type { AdmissionRequest } from './admission-request.ts';
import { UnsupportedKindError } from './errors.ts';

const POD = ['spec'];
const TEMPLATE = ['spec', 'template', 'spec'];

/** Where each kind keeps its PodSpec, by API group: a custom resource that is called Deployment is none. */
const PATHS: ReadonlyMap<string, readonly string[]> = new Map([
  ['/Pod', POD],
  ['/PodTemplate', ['template', 'spec']],
  ['/ReplicationController', TEMPLATE],
  ['apps/Deployment', TEMPLATE],
  ['apps/ReplicaSet', TEMPLATE],
  ['apps/StatefulSet', TEMPLATE],
  ['apps/DaemonSet', TEMPLATE],
  ['batch/Job', TEMPLATE],
  ['batch/CronJob', ['spec', 'jobTemplate', 'spec', 'template', 'spec']],
]);

/** Whether `podSpecOf` knows where the request's kind keeps its PodSpec. */
export function isWorkload(request: AdmissionRequest): boolean {
  return PATHS.has(`${request.kind.group}/${request.kind.kind}`);
}

/** The names of the fields that lead to the PodSpec, for messages: `spec.template.spec`. */
export function podSpecPath(request: AdmissionRequest): string {
  return pathOf(request).join('.');
}

/**
 * The PodSpec of a Pod or of a workload's template; `undefined` if the object (DELETE) or the spec is not there.
 *
 * @throws {@link UnsupportedKindError} when the request is about another kind.
 */
export function podSpecOf(request: AdmissionRequest): PodSpec | undefined {
  let value: unknown = request.object;
  for (const name of pathOf(request)) value = memberOf(value, name);
  // The API server has validated the built-in kinds.
  return isObject(value) ? (value as unknown as PodSpec) : undefined;
}

/**
 * The request's object with another PodSpec; the original is not touched.
 *
 * @throws {@link UnsupportedKindError} when the request is about another kind, or has no object.
 */
export function withPodSpec<Resource>(request: AdmissionRequest<Resource>, spec: PodSpec): Resource {
  const path = pathOf(request);
  if (!isObject(request.object)) {
    throw new UnsupportedKindError(`a ${request.operation} request has no object to put a PodSpec in`);
  }
  return replaceAt(request.object, path, spec) as Resource;
}

/** The lists of a PodSpec that hold containers, each with its name in messages. */
const CONTAINER_LISTS = [
  ['containers', 'container'],
  ['initContainers', 'init container'],
  ['ephemeralContainers', 'ephemeral container'],
] as const;

/** A container and where it was found. */
export interface ContainerSite {
  readonly container: Container | EphemeralContainer;
  readonly list: (typeof CONTAINER_LISTS)[number][0];
  readonly index: number;
  /** For messages: `init container "setup"`. */
  readonly description: string;
}

/** All containers of a Pod: ordinary, init and ephemeral ones. */
export function containersOf(spec: PodSpec): ContainerSite[] {
  return CONTAINER_LISTS.flatMap(([list, title]) =>
    (spec[list] ?? []).map((container, index) => ({
      container,
      list,
      index,
      description: `${title} ${JSON.stringify(container.name)}`,
    })),
  );
}

function pathOf({ kind }: AdmissionRequest): readonly string[] {
  const path = PATHS.get(`${kind.group}/${kind.kind}`);
  if (path) return path;
  const known = [...PATHS.keys()].map((key) => key.slice(key.indexOf('/') + 1)).join(', ');
  const shown = kind.group === '' ? kind.kind : `${kind.kind} of group ${kind.group}`;
  throw new UnsupportedKindError(`a ${shown} has no PodSpec: expected one of ${known}`);
}

function replaceAt(value: unknown, path: readonly string[], replacement: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return replacement;
  return { ...(isObject(value) ? value : {}), [name]: replaceAt(memberOf(value, name), rest, replacement) };
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
