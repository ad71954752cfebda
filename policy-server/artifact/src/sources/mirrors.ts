import { comparableRegistry, parseImageReference, type JsonObject, type JsonValue } from '@portcullis/protocol';
import type { YamlPath } from '../yaml/reader.ts';
import type { SourcesProblems } from './problems.ts';
import type { Mirror } from './sources.ts';
import { describe, expectList, expectMap } from './values.ts';

const HOST = /^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?$/i;
/** Of `team/policy`, `team` is no host. */
const NAMED_IN_REFERENCES = /[.:A-Z]|^localhost$/;
const HOST_EXPECTED = 'expected host or host:port, as in mirror.example:5000';
const FIELDS: ReadonlySet<string> = new Set(['host', 'path', 'resolve']);

/** Reads `mirrors`: for each registry the hosts that are asked before it, in order. */
export function readMirrors(
  value: JsonValue | undefined,
  problems: SourcesProblems,
): ReadonlyMap<string, readonly Mirror[]> {
  const mirrors = new Map<string, readonly Mirror[]>();
  for (const [registry, entries] of expectMap(value ?? undefined, ['mirrors'], problems)) {
    const path = ['mirrors', registry];
    const key = comparableRegistry(registry);
    if (!isHost(registry) || !NAMED_IN_REFERENCES.test(registry)) {
      problems.add(path, 'invalid registry, expected the host of image references, as in docker.io or quay.io:5000');
    }
    if (mirrors.has(key)) problems.add(path, `the mirrors of ${key} are named above already`);
    const items = expectList(entries, path, problems);
    mirrors.set(
      key,
      items.flatMap((item, index) => readMirror(item, [...path, index], { registry: key, problems }) ?? []),
    );
  }
  return mirrors;
}

interface Reading {
  readonly registry: string;
  readonly problems: SourcesProblems;
}

function readMirror(item: JsonValue, path: YamlPath, { registry, problems }: Reading): Mirror | undefined {
  if (!(item instanceof Map)) {
    problems.add(path, `invalid type: ${describe(item)}, expected a map with \`host\``);
    return undefined;
  }
  // What is misspelt here would quietly send requests elsewhere than meant.
  for (const field of item.keys()) {
    if (!FIELDS.has(field)) {
      problems.add(
        [...path, field],
        `unknown field \`${field.slice(0, 40)}\`, expected \`host\`, \`path\` or \`resolve\``,
      );
    }
  }
  const host = readHost(item, path, problems);
  const prefix = readPrefix(item, path, problems);
  const resolve = readResolve(item, path, problems);
  if (host === undefined || prefix === undefined || resolve === undefined) return undefined;
  if (prefix === '' && comparableRegistry(host) === registry) {
    problems.add([...path, 'host'], 'a registry is no mirror of itself, expected another host or a `path`');
    return undefined;
  }
  return { host, path: prefix, resolve };
}

function readHost(item: JsonObject, path: YamlPath, problems: SourcesProblems): string | undefined {
  const host = item.get('host');
  if (typeof host === 'string' && isHost(host)) return host.toLowerCase();
  if (host === undefined) problems.add(path, 'missing field `host`');
  else if (typeof host === 'string') problems.add([...path, 'host'], `invalid value, ${HOST_EXPECTED}`);
  else problems.add([...path, 'host'], `invalid type: ${describe(host)}, expected a string`);
  return undefined;
}

function readPrefix(item: JsonObject, path: YamlPath, problems: SourcesProblems): string | undefined {
  const value = item.get('path') ?? '';
  if (typeof value !== 'string') {
    problems.add([...path, 'path'], `invalid type: ${describe(value)}, expected a string`);
    return undefined;
  }
  const prefix = value.replace(/^\//, '').replace(/\/$/, '');
  if (prefix === '' || isRepository(prefix)) return prefix;
  problems.add([...path, 'path'], 'invalid value, expected the beginning of a repository, as in proxies/dockerhub');
  return undefined;
}

function readResolve(item: JsonObject, path: YamlPath, problems: SourcesProblems): boolean | undefined {
  const resolve = item.get('resolve') ?? false;
  if (typeof resolve === 'boolean') return resolve;
  problems.add([...path, 'resolve'], `invalid type: ${describe(resolve)}, expected a boolean`);
  return undefined;
}

function isHost(text: string): boolean {
  return HOST.test(text) && URL.canParse(`https://${text}`);
}

function isRepository(text: string): boolean {
  try {
    return parseImageReference(`registry.invalid/${text}`).repository === text;
  } catch {
    return false;
  }
}
