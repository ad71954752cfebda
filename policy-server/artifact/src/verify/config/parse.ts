import { ArtifactError } from '../../errors.ts';
import { YamlError } from '../../yaml/node.ts';
import { parseYaml, type YamlPath } from '../../yaml/reader.ts';
import { DocumentPlace, pathBelow, StructureError } from './document-place.ts';
import type { SignatureRequirement, Subject, VerificationConfig } from './requirement.ts';
import { parseUrlPrefix } from './url-prefix.ts';

const VERSION = 'v1';
const MAX_U8 = 255;

/**
 * Reads a verification config (`verification.yml`). Strict: what is misspelt must not silently require less than it says.
 *
 * @param name the file's, for error messages
 * @throws ArtifactError `verification-config-invalid`
 */
export function parseVerificationConfig(text: string, name: string): VerificationConfig {
  const lines = new Map<string, number>();
  const onLine = (path: YamlPath, line: number): void => void lines.set(pathText(path), line);
  try {
    const root = new DocumentPlace(parseYaml(text, { variantAt: isSubject, onLine }).value, '');
    return readConfig(root, name);
  } catch (error) {
    if (!(error instanceof StructureError || error instanceof YamlError)) throw error;
    const line = error instanceof StructureError ? lines.get(error.path) : undefined;
    const where = line === undefined ? '' : ` line ${line}`;
    throw invalid(`Not a valid configuration file: ${error.message} – see '${name}'${where}`, error);
  }
}

/** `allOf[0].subject`, as places of the document name themselves. */
function pathText(path: YamlPath): string {
  return path.reduce<string>((parent, segment) => pathBelow(parent, segment), '');
}

function invalid(message: string, cause?: unknown): ArtifactError {
  return new ArtifactError('verification-config-invalid', message, { cause });
}

/** `allOf[0].subject`, `anyOf.signatures[0].subject`: `!equal x`, as errors print it, can be pasted into a config. */
function isSubject(path: YamlPath): boolean {
  return path.length >= 3 && path.at(-1) === 'subject' && typeof path.at(-2) === 'number';
}

function readConfig(root: DocumentPlace, name: string): VerificationConfig {
  // An empty file, and one without a version, are read; that they may require nothing shows when something is verified.
  if (root.isNull) return { allOf: undefined, anyOf: undefined };
  const version = root.members().get('apiVersion')?.text();
  if (version !== undefined && version !== VERSION) {
    const got = JSON.stringify(version.slice(0, 100));
    throw invalid(
      `Not a supported configuration version: Unsupported – expected apiVersion ${VERSION}, got ${got} in '${name}'`,
    );
  }
  const { allOf, anyOf } = root.fields(['allOf', 'anyOf'], 'apiVersion');
  if (version !== undefined && allOf === undefined && anyOf === undefined) {
    throw invalid(`config is missing signatures in both allOf and anyOff list – say in '${name}' who must have signed`);
  }
  return { allOf: allOf && readAllOf(allOf), anyOf: anyOf && readAnyOf(anyOf) };
}

function readAllOf(place: DocumentPlace): readonly SignatureRequirement[] {
  const requirements = place.items().map(readRequirement);
  // Upstream takes an empty list as met by whatever anybody signed.
  if (requirements.length === 0) throw place.error('invalid length 0, expected at least one signature');
  return requirements;
}

function readAnyOf(place: DocumentPlace): VerificationConfig['anyOf'] {
  const { minimumMatches, signatures } = place.fields(['minimumMatches', 'signatures']);
  return {
    minimumMatches: minimumMatches?.wholeNumber('u8', MAX_U8) ?? 1,
    signatures: place.required(signatures, 'signatures').items().map(readRequirement),
  };
}

function readRequirement(place: DocumentPlace): SignatureRequirement {
  const kind = place.required(place.members().get('kind'), 'kind');
  switch (kind.variant(['pubKey', 'genericIssuer', 'githubAction'])) {
    case 'pubKey':
      return readPubKey(place);
    case 'genericIssuer':
      return readGenericIssuer(place);
    case 'githubAction':
      return readGithubAction(place);
  }
}

function readPubKey(place: DocumentPlace): SignatureRequirement {
  const { owner, key, annotations } = place.fields(['owner', 'key', 'annotations'], 'kind');
  return {
    kind: 'pubKey',
    owner: owner?.text(),
    key: place.required(key, 'key').text(),
    annotations: annotations && readAnnotations(annotations),
  };
}

function readGenericIssuer(place: DocumentPlace): SignatureRequirement {
  const { issuer, subject, annotations } = place.fields(['issuer', 'subject', 'annotations'], 'kind');
  return {
    kind: 'genericIssuer',
    issuer: place.required(issuer, 'issuer').text(),
    subject: readSubject(place.required(subject, 'subject')),
    annotations: annotations && readAnnotations(annotations),
  };
}

function readGithubAction(place: DocumentPlace): SignatureRequirement {
  const { owner, repo, annotations } = place.fields(['owner', 'repo', 'annotations'], 'kind');
  return {
    kind: 'githubAction',
    owner: place.required(owner, 'owner').text(),
    repo: repo?.text(),
    annotations: annotations && readAnnotations(annotations),
  };
}

function readSubject(place: DocumentPlace): Subject {
  const [member, second] = place.members();
  if (member === undefined || second !== undefined) {
    throw place.error('invalid value: map, expected map with a single key, `equal` or `urlPrefix`');
  }
  const [name, value] = member;
  if (place.variant(['equal', 'urlPrefix'], name) === 'equal') return { kind: 'equal', value: value.text() };
  const prefix = parseUrlPrefix(value.text());
  if (prefix.kind === 'refused') throw value.error(prefix.reason);
  return { kind: 'urlPrefix', value: prefix.value };
}

function readAnnotations(place: DocumentPlace): ReadonlyMap<string, string> {
  return new Map(Array.from(place.members(), ([name, value]) => [name, value.text()]));
}
