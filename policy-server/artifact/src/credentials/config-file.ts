import { parseJson, type JsonObject, type JsonValue } from '@portcullis/protocol';
import type { Credential } from './credentials.ts';
import { isKeyOf } from './registry-key.ts';

/** What a Docker `config.json` says about credentials. Whatever is broken in it is as if it were not there. */
export interface DockerConfig {
  /** By registry, as written. */
  readonly credentials: ReadonlyMap<string, Credential>;
  /** Name of a helper by registry, as written. */
  readonly helpers: ReadonlyMap<string, string>;
  /** Name of the helper for all other registries. */
  readonly defaultHelper: string | undefined;
  /** Registries whose entry cannot be understood. */
  readonly broken: readonly string[];
}

/** @throws JsonError when the text is no JSON */
export function parseDockerConfig(json: Uint8Array): DockerConfig {
  const root = objectOf(parseJson(json));
  const credentials = new Map<string, Credential>();
  const broken: string[] = [];
  for (const [registry, entry] of objectOf(root.get('auths'))) {
    const credential = credentialOf(entry);
    if (credential === 'broken') broken.push(registry);
    else if (credential !== undefined) credentials.set(registry, credential);
  }
  const helpers = Array.from(objectOf(root.get('credHelpers'))).flatMap(([registry, name]) => {
    const helper = textOf(name);
    return helper === undefined ? [] : [[registry, helper] as const];
  });
  return { credentials, helpers: new Map(helpers), defaultHelper: textOf(root.get('credsStore')), broken };
}

/** The entry of a registry; one under exactly its name comes first. */
export function entryOf<T>(entries: ReadonlyMap<string, T>, registryHost: string): T | undefined {
  const exact = entries.get(registryHost);
  if (exact !== undefined) return exact;
  for (const [key, entry] of entries) if (isKeyOf(key, registryHost)) return entry;
  return undefined;
}

/** `undefined`: says nothing, as Docker writes for registries whose credentials a helper keeps. */
function credentialOf(value: JsonValue): Credential | 'broken' | undefined {
  const entry = objectOf(value);
  const token = textOf(entry.get('identitytoken'));
  if (token !== undefined) return { kind: 'identity-token', token };
  const auth = textOf(entry.get('auth'));
  if (auth !== undefined) return basicOf(auth) ?? fieldsOf(entry) ?? 'broken';
  return fieldsOf(entry);
}

function fieldsOf(entry: JsonObject): Credential | undefined {
  const username = textOf(entry.get('username'));
  const password = textOf(entry.get('password'));
  return username === undefined || password === undefined ? undefined : { kind: 'basic', username, password };
}

/** Base64 of `user:password`, with or without padding. */
function basicOf(auth: string): Credential | undefined {
  const text = auth.trim();
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined;
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon <= 0) return undefined;
  // Some tools write the password with the zero bytes of a fixed-size field behind it.
  const password = decoded.slice(colon + 1).replace(/\0+$/, '');
  return { kind: 'basic', username: decoded.slice(0, colon), password };
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return value instanceof Map ? value : new Map();
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
