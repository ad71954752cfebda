import { decodeUtf8, messageOf, Utf8Error, type JsonObject, type JsonValue } from '@portcullis/protocol';
import { ArtifactError } from '../errors.ts';
import { readFileBounded, type FileReader } from '../file.ts';
import { systemErrorText } from '../system-error.ts';
import { YamlError } from '../yaml/node.ts';
import { parseYaml, type YamlPath } from '../yaml/reader.ts';
import { readAuthorities } from './authorities.ts';
import { readMirrors } from './mirrors.ts';
import { SourcesProblems, sourcesInvalid } from './problems.ts';
import { proxyUrl } from './proxies.ts';
import type { Proxies, Sources } from './sources.ts';
import { expectMap, expectTexts } from './values.ts';

/** Room for hundreds of inline certificates. */
const MAX_SOURCES_BYTES = 4 * 2 ** 20;

export interface SourcesOptions {
  /** What errors call the text: the path it was read from. */
  readonly name: string;
  /** Reads the certificate files the text names. */
  readonly readFile: FileReader;
}

/**
 * Reads `sources.yml` and the certificates it names.
 *
 * @throws ArtifactError `sources-invalid`
 */
export async function loadSources(path: string, readFile: FileReader = readFileBounded): Promise<Sources> {
  let text: string;
  try {
    text = decodeUtf8(await readFile(path, MAX_SOURCES_BYTES));
  } catch (error) {
    throw sourcesInvalid(path, error instanceof Utf8Error ? 'expected UTF-8 text' : readProblem(error), error);
  }
  return parseSources(text, { name: path, readFile });
}

/**
 * Reads the text of a `sources.yml` (YAML or JSON). All keys may be missing, and keys nobody knows are ignored.
 *
 * @throws ArtifactError `sources-invalid`: lists every problem with its line
 */
export async function parseSources(text: string, { name, readFile }: SourcesOptions): Promise<Sources> {
  const problems = new SourcesProblems(name);
  const root = rootOf(text, name, problems);
  const insecure = expectTexts(root.get('insecure_sources'), ['insecure_sources'], problems);
  const proxies = readProxies(root.get('proxies'), problems);
  const mirrors = readMirrors(root.get('mirrors'), problems);
  const authorities = await readAuthorities(root.get('source_authorities'), problems, async (path, maxBytes) => {
    try {
      return await readFile(path, maxBytes);
    } catch (error) {
      throw new Error(readProblem(error), { cause: error });
    }
  });
  problems.throwIfAny();
  // URLs have their host in lower case.
  return { insecure: new Set(insecure.map((host) => host.toLowerCase())), authorities, proxies, mirrors };
}

function rootOf(text: string, name: string, problems: SourcesProblems): JsonObject {
  let value: JsonValue;
  try {
    value = parseYaml(text, { textAt, onLine: (path, line) => problems.place(path, line) }).value;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw sourcesInvalid(name, error.message, error);
  }
  return expectMap(value ?? undefined, [], problems);
}

/** Every scalar of the file is a text, but for the bytes of a certificate and the one switch of a mirror. */
function textAt(path: YamlPath): 'always' | 'unless-null' | 'never' {
  const isByte = path.length === 5;
  if (path.length < 2 || isByte) return 'never';
  if (path[0] === 'mirrors') return path[3] === 'resolve' ? 'never' : 'unless-null';
  return path[0] === 'proxies' ? 'unless-null' : 'always';
}

function readProxies(value: JsonValue | undefined, problems: SourcesProblems): Proxies | undefined {
  const map = expectMap(value ?? undefined, ['proxies'], problems);
  const read = (key: string): string | undefined => {
    const text = map.get(key) ?? undefined;
    if (text === undefined || typeof text === 'string') return text === '' ? undefined : text;
    problems.add(['proxies', key], 'invalid type, expected a string');
    return undefined;
  };
  const readUrl = (key: string): string | undefined => {
    const url = proxyUrl(read(key));
    if (url === undefined || /^https?:$/.test(URL.parse(url)?.protocol ?? '')) return url;
    problems.add(['proxies', key], 'invalid value, expected the URL of a proxy, as in http://proxy:3128');
    return undefined;
  };
  const proxies = { httpProxy: readUrl('http_proxy'), httpsProxy: readUrl('https_proxy'), noProxy: read('no_proxy') };
  return Object.values(proxies).some((proxy) => proxy !== undefined) ? proxies : undefined;
}

/** What the system says about a file, without our own framing. */
function readProblem(error: unknown): string {
  return error instanceof ArtifactError && error.cause !== undefined ? systemErrorText(error.cause) : messageOf(error);
}
