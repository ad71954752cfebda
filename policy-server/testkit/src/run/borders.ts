import { readFile, readdir } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';

/** Which package may import which. ARCHITECTURE.md draws the same table. */
interface Border {
  /** Workspace packages that product code may import. */
  readonly packages: readonly string[];
  /** Additional workspace packages for `*.test.ts`. */
  readonly tests?: readonly string[];
  /** Whether product code may import `node:` modules. */
  readonly node?: false;
  /** Whether product code may read `process.env`; only where a person starts a process. */
  readonly environment?: true;
}

const HOST = ['protocol', 'artifact', 'evaluator', 'capabilities'];

/** Folder of a package, relative to the root → its border. `policies/*` share one. */
export const BORDERS: Readonly<Record<string, Border>> = {
  'sdk/protocol': { packages: [], tests: ['testkit'], node: false },
  'sdk/typescript': { packages: ['protocol'], tests: ['evaluator', 'testkit'], environment: true },
  'sdk/assemblyscript': { packages: [], tests: ['protocol', 'evaluator', 'testkit'] },
  'policy-server/artifact': { packages: ['protocol'], tests: ['testkit'] },
  'policy-server/evaluator': { packages: ['protocol'], tests: ['testkit', 'capabilities', 'assemblyscript'] },
  'policy-server/capabilities': { packages: ['protocol', 'artifact'], tests: ['testkit', 'evaluator'] },
  'policy-server/server': { packages: HOST, tests: ['testkit'], environment: true },
  'policy-server/testkit': { packages: ['protocol', 'assemblyscript'], environment: true },
  kwctl: { packages: HOST, tests: ['testkit'], environment: true },
  bench: { packages: ['evaluator', 'artifact', 'testkit'], environment: true },
  'policies/*': { packages: ['sdk'], tests: ['testkit', 'evaluator'], environment: true },
};

/** What a policy author's tests and build import besides the SDK's root: neither may get into a policy. */
const SUB_PATHS = new Set(['@portcullis/sdk/testing', '@portcullis/sdk/build']);

const IMPORT =
  /(?:^|[\s;])(?:import|export)\s+(?:[^'"();]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;
const NODE_MODULES = new Set([...builtinModules, ...builtinModules.map((name) => `node:${name}`)]);

/** Every import or manifest entry that crosses a border it must not cross, one line each; `[]` when all is well. */
export async function borderViolations(root: string): Promise<string[]> {
  const violations: string[] = [];
  for (const folder of await packageFolders(root)) {
    const border = BORDERS[folder] ?? (folder.startsWith('policies/') ? BORDERS['policies/*'] : undefined);
    if (border === undefined)
      violations.push(`${folder}: has no border; add it to the table in borders.ts and to ARCHITECTURE.md`);
    else
      violations.push(
        ...(await manifestViolations(root, folder, border)),
        ...(await importViolations(root, folder, border)),
      );
  }
  return violations;
}

async function packageFolders(root: string): Promise<string[]> {
  const folders: string[] = [];
  for (const top of ['policy-server', 'sdk', 'policies']) {
    for (const entry of await readdir(join(root, top), { withFileTypes: true })) {
      if (entry.isDirectory() && entry.name !== 'node_modules') folders.push(`${top}/${entry.name}`);
    }
  }
  const present = await Promise.all([...folders, 'kwctl', 'bench'].map((folder) => hasManifest(root, folder)));
  return [...folders, 'kwctl', 'bench'].filter((_, index) => present[index]);
}

async function hasManifest(root: string, folder: string): Promise<boolean> {
  return readFile(join(root, folder, 'package.json')).then(
    () => true,
    () => false,
  );
}

async function manifestViolations(root: string, folder: string, border: Border): Promise<string[]> {
  const manifest: { dependencies?: object } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
  return workspaceNames(Object.keys(manifest.dependencies ?? {}))
    .filter((name) => !border.packages.includes(name))
    .map((name) => `${folder}/package.json: must not depend on @portcullis/${name}`);
}

async function importViolations(root: string, folder: string, border: Border): Promise<string[]> {
  const violations: string[] = [];
  for (const file of await sources(join(root, folder))) {
    const name = relative(root, file).split(sep).join('/');
    const text = await readFile(file, 'utf8');
    const isTest = name.endsWith('.test.ts') || /\/(?:test|fixtures)\//.test(name);
    violations.push(...textViolations(text, isTest, border).map((problem) => `${name}: ${problem}`));
    violations.push(
      ...escapes(text, file, join(root, folder)).map(
        (target) => `${name}: must not reach outside its package (${target})`,
      ),
    );
  }
  return violations;
}

/** Problems of one source text; exported for the test that proves each rule bites. */
export function textViolations(text: string, isTest: boolean, border: Border): string[] {
  const allowed = isTest ? [...border.packages, ...(border.tests ?? [])] : border.packages;
  const problems: string[] = [];
  for (const specifier of specifiers(text)) {
    const [scope, name, ...rest] = specifier.split('/');
    if (scope === '@portcullis' && name !== undefined) {
      if (!allowed.includes(name)) problems.push(`must not import @portcullis/${name}`);
      if (rest.length > 0 && !SUB_PATHS.has(specifier))
        problems.push(`must import the root of @portcullis/${name}, not ${specifier}`);
    }
    if (!isTest && border.node === false && NODE_MODULES.has(specifier)) problems.push(`must not import ${specifier}`);
  }
  if (!isTest && border.environment !== true && /\bprocess\.env\b/.test(text))
    problems.push('must not read process.env');
  return problems;
}

function specifiers(text: string): string[] {
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
}

function escapes(text: string, file: string, folder: string): string[] {
  return specifiers(text).filter((specifier) => {
    if (!specifier.startsWith('.')) return false;
    return relative(folder, join(dirname(file), specifier)).startsWith('..');
  });
}

function workspaceNames(dependencies: readonly string[]): string[] {
  return dependencies
    .filter((name) => name.startsWith('@portcullis/'))
    .map((name) => name.slice('@portcullis/'.length));
}

/** What others wrote, and AssemblyScript. */
const NOT_SOURCES = new Set(['node_modules', 'assembly']);

/** Walks by itself: `recursive` follows the links in node_modules, which lead round in circles. */
async function sources(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !NOT_SOURCES.has(entry.name)) files.push(...(await sources(path)));
    else if (entry.isFile() && entry.name.endsWith('.ts')) files.push(path);
  }
  return files;
}
