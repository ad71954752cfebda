import { stringifyYaml } from '@portcullis/artifact';
import { compareUtf8, jsonFrom, type JsonObject, type JsonValue, type PolicyMetadata } from '@portcullis/protocol';
import { KwctlError } from '../../../errors.ts';
import { parseAddressList } from './address-list.ts';
import { linksTo, parseHomeUrl } from './links.ts';

const POLICY = 'io.kubewarden.policy.';
const HUB = 'io.artifacthub.';

/** Semantic Versioning 2.0.0. */
const SEMVER =
  /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
const MAX_VERSION = 256;

export interface PackageOptions {
  readonly createdAt: Date;
  /** The content of the file with the questions of a user interface. */
  readonly questions: string | undefined;
}

/**
 * What Artifact Hub wants to know of a policy (`artifacthub-pkg.yml`), with the key order other tools write.
 *
 * @throws KwctlError `metadata-invalid` when something it needs is missing or malformed
 */
export function packageDescription(metadata: PolicyMetadata, { createdAt, questions }: PackageOptions): JsonObject {
  const annotations = annotationsOf(metadata);
  const version = versionOf(annotations);
  const members: [string, JsonValue | undefined][] = [
    ['version', version],
    ['name', needed(annotations, `${POLICY}title`)],
    ['displayName', needed(annotations, `${HUB}displayName`)],
    ['createdAt', timestamp(createdAt)],
    ['description', needed(annotations, `${POLICY}description`)],
    ['license', annotations.get(`${POLICY}license`)],
    ['homeURL', optionally(annotations.get(`${POLICY}url`), parseHomeUrl)],
  ];
  const image = `${needed(annotations, `${POLICY}ociUrl`)}:v${version}`;
  members.push(
    ['containersImages', jsonFrom([{ name: 'policy', image }])],
    ['keywords', optionally(annotations.get(`${HUB}keywords`), keywords)],
    ['links', optionally(annotations.get(`${POLICY}source`), (source) => linksOf(source, annotations, version))],
    ['install', install(image)],
    ['maintainers', optionally(annotations.get(`${POLICY}author`), maintainers)],
    ['provider', jsonFrom({ name: 'kubewarden' })],
    ['recommendations', jsonFrom([{ url: RECOMMENDED }])],
    ['annotations', hubAnnotations(metadata, annotations, questions)],
  );
  return new Map(members.filter((member): member is [string, JsonValue] => member[1] !== undefined));
}

const RECOMMENDED = 'https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller';

function annotationsOf({ annotations = {} }: PolicyMetadata): ReadonlyMap<string, string> {
  const found = new Map(Object.entries(annotations));
  if (found.size > 0) return found;
  throw invalid('no annotations in policy metadata. policy metadata must specify annotations');
}

function needed(annotations: ReadonlyMap<string, string>, key: string): string {
  const value = annotations.get(key);
  if (value === undefined) throw invalid(`policy metadata must specify "${key}" in annotations`);
  return value;
}

function optionally<T>(value: string | undefined, convert: (value: string) => T): T | undefined {
  return value === undefined ? undefined : convert(value);
}

function versionOf(annotations: ReadonlyMap<string, string>): string {
  const version = needed(annotations, `${POLICY}version`);
  if (version.length <= MAX_VERSION && SEMVER.test(version)) return version;
  throw invalid(
    `policy version must be in semver: expected MAJOR.MINOR.PATCH such as 1.2.3, got '${version.slice(0, MAX_VERSION)}'`,
  );
}

/** RFC 3339 in UTC, with the nine digits readers of Kubernetes expect of a time in nanoseconds. */
function timestamp(date: Date): string {
  return date.toISOString().replace('Z', '000000Z');
}

function keywords(list: string): JsonValue {
  const items = list.split(',').map((item) => item.trim());
  if (items.includes('')) {
    throw invalid(`annotation "${HUB}keywords" must be words with commas between them, got an empty one in '${list}'`);
  }
  return items;
}

function linksOf(source: string, annotations: ReadonlyMap<string, string>, version: string): JsonValue {
  const tag = annotations.get('com.github.release.tag') ?? `v${version}`;
  return jsonFrom(linksTo(source, tag));
}

function install(image: string): string {
  return `The policy can be obtained using [\`kwctl\`](https://github.com/kubewarden/kwctl):
\`\`\`console
kwctl pull ${image}
\`\`\`
Then, generate the policy manifest and tune it to your liking. For example:
\`\`\`console
kwctl scaffold manifest -t ClusterAdmissionPolicy registry://${image}
\`\`\`
`;
}

function maintainers(authors: string): JsonValue {
  try {
    return jsonFrom(parseAddressList(authors));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(`annotation "${POLICY}author" must be a list of 'Name <mail>': ${error.message}`, error);
  }
}

function hubAnnotations(
  metadata: PolicyMetadata,
  annotations: ReadonlyMap<string, string>,
  questions: string | undefined,
): JsonValue {
  if (questions === '') throw invalid('questions-ui content cannot be empty');
  const { mutating, rules, contextAwareResources } = metadata;
  const written: [string, string | undefined][] = [
    ['mutation', String(mutating)],
    ['rules', stringifyYaml(jsonFrom(rules))],
    [
      'contextAwareResources',
      contextAwareResources.length > 0 ? stringifyYaml(jsonFrom(contextAwareResources)) : undefined,
    ],
    ['questions-ui', questions],
    ['hidden-ui', annotations.get('io.kubewarden.hidden-ui')],
    ['resources', annotations.get(`${HUB}resources`)],
  ];
  const members = written.flatMap(([key, value]): [string, JsonValue][] =>
    value === undefined ? [] : [[`kubewarden/${key}`, value]],
  );
  return new Map(members.sort(([a], [b]) => compareUtf8(a, b)));
}

function invalid(message: string, cause?: unknown): KwctlError {
  return new KwctlError('metadata-invalid', message, { cause });
}
