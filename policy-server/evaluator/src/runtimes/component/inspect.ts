import { exportNames, importNames, ModuleError } from '@portcullis/protocol';
import { BinaryReader } from './binary-reader.ts';
import { invalidComponent, unknownImports } from './errors.ts';
import { HOST_INTERFACE, REQUIRED_EXPORTS } from './world.ts';

/** A StarlingMonkey policy has 12.5 MB, a QuickJS one 1.7 MB. */
const MAX_COMPONENT_BYTES = 32 * 1024 * 1024;

/** Real policies have 13 core modules in 5 components, nested once. */
const MAX_NESTING = 4;
const MAX_CORE_MODULES = 64;
/**
 * Instances after expansion: components instantiate components, so a few hundred bytes can describe a billion instances, and
 * the transpiler writes out each.
 */
const MAX_INSTANCES = 256;
const MAX_NAME_LENGTH = 512;

/** Ids of sections (component model, binary format). */
const SECTION = {
  coreModule: 1,
  coreInstance: 2,
  component: 4,
  instance: 5,
  alias: 6,
  import: 10,
  export: 11,
} as const;

const SORT_COMPONENT = 0x04;

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/** What a component says about itself on its outside. */
export interface ComponentShape {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/**
 * Looks a component over before anything of it reaches the transpiler.
 *
 * The transpiler writes JavaScript with the names of core imports, exports and aliases between single quotes and does not
 * escape them, and such names may be any UTF-8 at all: `'];process.exit();//` would become code of the host. A name that
 * could end a string or a comment is therefore refused here, at every place that the binary format can hold one.
 *
 * @throws EvaluationError `module-invalid` for what is malformed, too large or unsafe to transpile.
 */
export function inspectComponent(bytes: Uint8Array): ComponentShape {
  if (bytes.length > MAX_COMPONENT_BYTES) {
    throw invalidComponent(`the component has ${bytes.length} bytes, at most ${MAX_COMPONENT_BYTES} are allowed`);
  }
  try {
    const { imports, exports } = readComponent(bytes, { parent: undefined, totals: { coreModules: 0 } });
    return { imports, exports };
  } catch (error) {
    throw error instanceof ModuleError
      ? invalidComponent(`a core module is malformed: ${error.message}`, error)
      : error;
  }
}

/** Least privilege and the two exports: what any component has to fulfil to be a policy. */
export function requirePolicyWorld(shape: ComponentShape): void {
  const foreign = shape.imports.filter((name) => name !== HOST_INTERFACE);
  if (foreign.length > 0) throw unknownImports(foreign, HOST_INTERFACE);
  const missing = REQUIRED_EXPORTS.filter((name) => !shape.exports.includes(name));
  if (missing.length > 0) {
    throw invalidComponent(
      `the component does not export ${missing.map((name) => `\`${name}\``).join(' and ')}; a policy implements the world of policy.wit`,
    );
  }
}

/** One component while it is read. */
interface Scope {
  readonly parent: Scope | undefined;
  readonly nesting: number;
  readonly totals: Totals;
  readonly imports: string[];
  readonly exports: string[];
  /** The index space of components: how many instances each expands to. */
  readonly components: number[];
  instances: number;
}

/** Counts over all components of the file. */
interface Totals {
  coreModules: number;
}

function readComponent(bytes: Uint8Array, { parent, totals }: Pick<Scope, 'parent' | 'totals'>): Scope {
  const nesting = (parent?.nesting ?? 0) + 1;
  if (nesting > MAX_NESTING) throw invalidComponent(`components are nested more than ${MAX_NESTING} deep`);
  const scope: Scope = { parent, nesting, totals, imports: [], exports: [], components: [], instances: 0 };
  const reader = new BinaryReader(bytes);
  if (!PREAMBLE.every((byte) => reader.byte() === byte)) {
    throw invalidComponent(
      'the file is not a WebAssembly component, though its metadata says `executionMode: component`',
    );
  }
  while (!reader.done) {
    const id = reader.byte();
    readSection(id, reader.section(reader.u32()), scope);
  }
  return scope;
}

function readSection(id: number, section: BinaryReader, scope: Scope): void {
  switch (id) {
    case SECTION.coreModule:
      return checkCoreModule(section.rest(), scope.totals);
    case SECTION.component:
      scope.components.push(readComponent(section.rest(), { parent: scope, totals: scope.totals }).instances);
      return;
    case SECTION.coreInstance:
      return eachOf(section, () => readCoreInstance(section, scope));
    case SECTION.instance:
      return eachOf(section, () => readInstance(section, scope));
    case SECTION.alias:
      return eachOf(section, () => readAlias(section, scope));
    case SECTION.import:
      return eachOf(section, () => readImport(section, scope));
    case SECTION.export:
      return eachOf(section, () => readExport(section, scope));
    default:
    // Types, canonical functions and custom sections hold no name that is not checked by the transpiler's own grammar.
  }
}

function eachOf(section: BinaryReader, read: () => void): void {
  for (let left = section.u32(); left > 0; left--) read();
}

function checkCoreModule(bytes: Uint8Array, totals: Totals): void {
  if (++totals.coreModules > MAX_CORE_MODULES) {
    throw invalidComponent(`the component contains more than ${MAX_CORE_MODULES} core modules`);
  }
  for (const { module, name } of importNames(bytes)) {
    safeName(module);
    safeName(name);
  }
  for (const name of exportNames(bytes)) safeName(name);
}

function addInstances(scope: Scope, count: number): void {
  scope.instances += count;
  if (scope.instances > MAX_INSTANCES)
    throw invalidComponent(`the component makes more than ${MAX_INSTANCES} instances`);
}

/** core:instance ::= 0x00 module vec(name 0x12 instance) | 0x01 vec(name sort index) */
function readCoreInstance(reader: BinaryReader, scope: Scope): void {
  addInstances(scope, 1);
  const instantiates = reader.byte() === 0x00;
  if (instantiates) reader.u32();
  eachOf(reader, () => {
    safeName(reader.name());
    reader.byte();
    reader.u32();
  });
}

/** instance ::= 0x00 component vec(name sortidx) | 0x01 vec(exportname' sortidx) */
function readInstance(reader: BinaryReader, scope: Scope): void {
  const instantiates = reader.byte() === 0x00;
  addInstances(scope, 1 + (instantiates ? instancesOf(scope, reader.u32()) : 0));
  eachOf(reader, () => {
    if (instantiates) safeName(reader.name());
    else readExternName(reader);
    readSortIndex(reader);
  });
}

function instancesOf(scope: Scope, component: number): number {
  const instances = scope.components[component];
  if (instances === undefined)
    throw invalidComponent(`the component refers to component ${component}, which is not there`);
  return instances;
}

/** alias ::= sort (0x00 instance name | 0x01 core-instance name | 0x02 count index) */
function readAlias(reader: BinaryReader, scope: Scope): void {
  const ofComponent = readSort(reader) === SORT_COMPONENT;
  const target = reader.byte();
  const first = reader.u32();
  if (target !== 0x02) {
    safeName(reader.name());
    if (ofComponent) throw componentAsValue();
    return;
  }
  const index = reader.u32();
  if (ofComponent) scope.components.push(instancesOf(enclosing(scope, first), index));
}

function enclosing(scope: Scope, levels: number): Scope {
  let found: Scope | undefined = scope;
  for (let left = levels; left > 0 && found !== undefined; left--) found = found.parent;
  if (found === undefined) throw invalidComponent('an alias of the component leads outside of it');
  return found;
}

/** No toolchain emits them, and what they expand to is not known from here. */
function componentAsValue(): Error {
  return invalidComponent('the component imports or passes on components, expected functions and instances only');
}

/** import ::= importname' externdesc */
function readImport(reader: BinaryReader, scope: Scope): void {
  scope.imports.push(readExternName(reader));
  if (readExternType(reader) === SORT_COMPONENT) throw componentAsValue();
}

/** export ::= exportname' sortidx externdesc? */
function readExport(reader: BinaryReader, scope: Scope): void {
  scope.exports.push(readExternName(reader));
  if (readSortIndex(reader) === SORT_COMPONENT) throw componentAsValue();
  if (reader.byte() === 0x01) readExternType(reader);
}

function readExternName(reader: BinaryReader): string {
  const form = reader.byte();
  if (form > 0x01) throw invalidComponent(`the component names an import or export in an unknown form (${form})`);
  return safeName(reader.name());
}

function readSortIndex(reader: BinaryReader): number {
  const sort = readSort(reader);
  reader.u32();
  return sort;
}

/** sort ::= 0x00 core:sort | 0x01 … 0x05 */
function readSort(reader: BinaryReader): number {
  const sort = reader.byte();
  if (sort === 0x00) reader.byte();
  return sort;
}

/** externdesc ::= 0x00 0x11 i | 0x01 i | 0x02 (value) | 0x03 (0x00 i | 0x01) | 0x04 i | 0x05 i */
function readExternType(reader: BinaryReader): number {
  const kind = reader.byte();
  if (kind === 0x02 || kind > 0x05) throw invalidComponent(`the component imports or exports a thing of kind ${kind}`);
  if (kind === 0x00) reader.byte();
  const isSubresource = kind === 0x03 && reader.byte() === 0x01;
  if (!isSubresource) reader.u32();
  return kind;
}

/** Printable ASCII that cannot end a JavaScript string, template or comment. */
function safeName(name: string): string {
  if (name.length > MAX_NAME_LENGTH || !/^[\x20-\x7e]*$/.test(name) || /['"`\\]|\*\/|\$\{/.test(name)) {
    throw invalidComponent(
      `the component uses a name that is not safe to transpile: ${JSON.stringify(name.slice(0, 80))}`,
    );
  }
  return name;
}
