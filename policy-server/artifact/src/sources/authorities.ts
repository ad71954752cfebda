import { JsonNumber, messageOf, type JsonObject, type JsonValue } from '@portcullis/protocol';
import type { FileReader } from '../file.ts';
import type { YamlPath } from '../yaml/reader.ts';
import { certificatesFrom } from './certificate.ts';
import { placeText, type SourcesProblems } from './problems.ts';
import { describe, expectList, expectMap } from './values.ts';

/** A bundle of every public authority is a fifth of it. */
const MAX_CERTIFICATE_BYTES = 2 ** 20;

/** Reads `source_authorities`: for each host the certificates, inline or in files, each as PEM. */
export async function readAuthorities(
  value: JsonValue | undefined,
  problems: SourcesProblems,
  readFile: FileReader,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const authorities = new Map<string, string[]>();
  for (const [host, entries] of expectMap(value ?? undefined, ['source_authorities'], problems)) {
    const path = ['source_authorities', host];
    const certificates = authorities.get(host.toLowerCase()) ?? [];
    for (const [index, entry] of expectList(entries, path, problems).entries()) {
      certificates.push(...(await readAuthority(entry, [...path, index], { problems, readFile })));
    }
    authorities.set(host.toLowerCase(), certificates);
  }
  return authorities;
}

interface Reading {
  readonly problems: SourcesProblems;
  readonly readFile: FileReader;
}

async function readAuthority(entry: JsonValue, path: YamlPath, reading: Reading): Promise<readonly string[]> {
  const raw = await rawCertificate(entry, path, reading);
  if (raw === undefined) return [];
  try {
    return certificatesFrom(raw);
  } catch (error) {
    reading.problems.addSentence(path, `Invalid certificate: ${messageOf(error)} – ${placeText(path)}`);
    return [];
  }
}

async function rawCertificate(
  entry: JsonValue,
  path: YamlPath,
  { problems, readFile }: Reading,
): Promise<Uint8Array | undefined> {
  if (!(entry instanceof Map)) {
    problems.add(path, `invalid type: ${describe(entry)}, expected a map with \`type\``);
    return undefined;
  }
  const type = textMember(entry, 'type', path, problems);
  if (type === undefined) return undefined;
  if (type === 'Data') return inlineBytes(entry, path, problems);
  if (type === 'Path') return fileBytes(entry, path, { problems, readFile });
  problems.add([...path, 'type'], `unknown variant \`${type.slice(0, 40)}\`, expected \`Data\` or \`Path\``);
  return undefined;
}

async function fileBytes(
  entry: JsonObject,
  path: YamlPath,
  { problems, readFile }: Reading,
): Promise<Uint8Array | undefined> {
  const file = textMember(entry, 'path', path, problems);
  if (file === undefined) return undefined;
  try {
    return await readFile(file, MAX_CERTIFICATE_BYTES);
  } catch (error) {
    const sentence = `Cannot read certificate from file: ${messageOf(error)} – ${placeText(path)} names '${file}'`;
    problems.addSentence([...path, 'path'], sentence);
    return undefined;
  }
}

/** PEM text; bytes as a list of numbers, or as the base64 of YAML's `!!binary`. */
function inlineBytes(entry: JsonObject, path: YamlPath, problems: SourcesProblems): Uint8Array | undefined {
  const data = entry.get('data');
  if (Array.isArray(data)) return bytesOf(data, [...path, 'data'], problems);
  const text = textMember(entry, 'data', path, problems);
  if (text === undefined) return undefined;
  const isBase64 = !text.includes('-----') && /^[A-Za-z0-9+/\s]+={0,2}\s*$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64') : Buffer.from(text);
}

function bytesOf(items: readonly JsonValue[], path: YamlPath, problems: SourcesProblems): Uint8Array | undefined {
  const bytes = items.map((item) => (item instanceof JsonNumber && item.isInteger ? item.toNumber() : -1));
  if (bytes.every((byte) => byte >= 0 && byte <= 255)) return Uint8Array.from(bytes);
  problems.add(path, 'invalid value, expected bytes: whole numbers from 0 to 255');
  return undefined;
}

function textMember(entry: JsonObject, key: string, path: YamlPath, problems: SourcesProblems): string | undefined {
  const value = entry.get(key);
  if (typeof value === 'string') return value;
  if (value === undefined) problems.add(path, `missing field \`${key}\``);
  else problems.add([...path, key], `invalid type: ${describe(value)}, expected a string`);
  return undefined;
}
