import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createMemoryStream, main } from 'assemblyscript/asc';
import { BuildError } from './errors.ts';

/** How policies are compiled; see `buildPolicy`. */
export interface CompileOptions {
  /** Path of the entry file. */
  readonly entry: string;
  /** Further options of asc, for example `['--exportRuntime']`. */
  readonly flags: readonly string[];
}

const OUTPUT = 'output.wasm';

/** Writes the (de)serialisers of classes marked `@json`; the main entry of json-as. */
const JSON_TRANSFORM = fileURLToPath(import.meta.resolve('json-as'));
const JSON_LIBRARY = fileURLToPath(import.meta.resolve('json-as/package.json'));

/** Packages every policy may import, wherever it lies: this one and the JSON library it is made with. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ['@portcullis/assemblyscript', fileURLToPath(new URL('..', import.meta.url))],
  ['json-as', dirname(JSON_LIBRARY)],
  // What json-as prints floating-point numbers with.
  ['xjb-as', dirname(createRequire(JSON_LIBRARY).resolve('xjb-as/package.json'))],
]);

/**
 * json-as 1.6 writes strings in blocks of four UTF-16 units, and takes a character whose halves lie in two blocks for two broken
 * ones. Its plain serialiser does not.
 */
const STRING_SERIALISER = join('json-as', 'assembly', 'serialize', 'swar', 'string.ts');
const PLAIN_STRING_SERIALISER = `import { serializeString_NAIVE } from "../naive/string";
export function serializeString_SWAR(src: string): void {
  serializeString_NAIVE(src);
}
`;

/**
 * Compiles AssemblyScript to WebAssembly.
 *
 * @throws BuildError `compilation-failed` with the compiler's report.
 */
export async function compile({ entry, flags }: CompileOptions): Promise<Uint8Array> {
  const path = resolve(entry);
  let output: Uint8Array | undefined;
  // A memory stream: `toString` yields what was written to it.
  const stderr = createMemoryStream();
  const { error } = await main(
    // The compiler colours its report wherever a variable called CI is set.
    [
      basename(path),
      '--noColors',
      '--baseDir',
      dirname(path),
      '--outFile',
      OUTPUT,
      '--transform',
      JSON_TRANSFORM,
    ].concat(flags),
    {
      stderr,
      readFile: readSource,
      writeFile(name, contents) {
        if (name === OUTPUT && typeof contents !== 'string') output = contents;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || output === undefined) {
    const report = stderr.toString().trim();
    const reason = report.startsWith('ERROR') ? report : (error?.message ?? 'the compiler wrote nothing');
    throw new BuildError('compilation-failed', `${entry} does not compile:\n${reason}`);
  }
  return output;
}

/** The compiler asks for files by many guesses; `null` says that there is none. */
async function readSource(name: string, baseDir: string): Promise<string | null> {
  if (name.endsWith(STRING_SERIALISER)) return PLAIN_STRING_SERIALISER;
  try {
    return await readFile(packagePath(name) ?? join(baseDir, name), 'utf8');
  } catch {
    return null;
  }
}

/** The real place of `…/node_modules/<one of ours>/…`, so that policies need not install what they do not name. */
function packagePath(name: string): string | undefined {
  const marker = `node_modules${sep}`;
  const at = name.lastIndexOf(marker);
  if (at < 0) return undefined;
  const inside = name.slice(at + marker.length);
  for (const [packageName, folder] of PACKAGES) {
    const prefix = `${packageName.replaceAll('/', sep)}${sep}`;
    if (inside.startsWith(prefix)) return join(folder, inside.slice(prefix.length));
  }
  return undefined;
}
