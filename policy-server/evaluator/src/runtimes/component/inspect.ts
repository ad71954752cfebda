import { exportNames, importNames } from '@portcullis/protocol';
import { BinaryReader } from './binary-reader.ts';
import { invalidComponent, unknownImports } from './errors.ts';
import { HOST_INTERFACE, REQUIRED_EXPORTS } from './world.ts';

/** A StarlingMonkey policy has 12.5 MB, a QuickJS one 1.7 MB. */
const MAX_COMPONENT_BYTES = 32 * 1024 * 1024;

/**
 * Components instantiate components, so a few hundred bytes can describe a billion instances. With these bounds the
 * expansion that the transpiler has to write out stays small; real policies have 13 modules in 5 components.
 */
const MAX_NESTING = 4;
const MAX_CORE_MODULES = 64;
const MAX_INSTANCES = 256;
const MAX_NAME_LENGTH = 512;

/** Ids of sections (component model, binary format). */
const SECTION = { coreModule: 1, coreInstance: 2, component: 4, instance: 5, alias: 6, import: 10, export: 11 } as const;

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
  return readComponent(bytes, { nesting: 1, totals: { coreModules: 0, instances: 0 } });
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

interface Walk {
  readonly nesting: number;
  readonly totals: { coreModules: number; instances: number };
}

function readComponent(bytes: Uint8Array, walk: Walk): ComponentShape {
  if (walk.nesting > MAX_NESTING) throw invalidComponent(`components are nested more than ${MAX_NESTING} deep`);
  const reader = new BinaryReader(bytes);
  if (!PREAMBLE.every((byte) => reader.byte() === byte)) {
    throw invalidComponent('the file is not a WebAssembly component, though its metadata says `executionMode: component`');
  }
  const imports: string[] = [];
  const exports: string[] = [];
  while (!reader.done) {
    const id = reader.byte();
    const section = reader.section(reader.u32());
    if (id === SECTION.coreModule) checkCoreModule(section.rest(), walk);
    else if (id === SECTION.coreInstance) eachOf(section, () => readCoreInstance(section, walk));
    else if (id === SECTION.component) readComponent(section.rest(), { ...walk, nesting: walk.nesting + 1 });
    else if (id === SECTION.instance) eachOf(section, () => readInstance(section, walk));
    else if (id === SECTION.alias) eachOf(section, () => readAlias(section));
    else if (id === SECTION.import) eachOf(section, () => imports.push(readImport(section)));
    else if (id === SECTION.export) eachOf(section, () => exports.push(readExport(section)));
  }
  return { imports, exports };
}

function eachOf(section: BinaryReader, read: () => void): void {
  for (let left = section.u32(); left > 0; left--) read();
}

function checkCoreModule(bytes: Uint8Array, { totals }: Walk): void {
  if (++totals.coreModules > MAX_CORE_MODULES) {
    throw invalidComponent(`the component contains more than ${MAX_CORE_MODULES} core modules`);
  }
  for (const { module, name } of importNames(bytes)) {
    safeName(module);
    safeName(name);
  }
  for (const name of exportNames(bytes)) safeName(name);
}

function countInstance({ totals }: Walk): void {
  if (++totals.instances > MAX_INSTANCES) {
    throw invalidComponent(`the component makes more than ${MAX_INSTANCES} instances`);
  }
}

/** core:instance ::= 0x00 module vec(name 0x12 instance) | 0x01 vec(name sort index) */
function readCoreInstance(reader: BinaryReader, walk: Walk): void {
  countInstance(walk);
  const instantiates = reader.byte() === 0x00;
  if (instantiates) reader.u32();
  eachOf(reader, () => {
    safeName(reader.name());
    reader.byte();
    reader.u32();
  });
}

/** instance ::= 0x00 component vec(name sortidx) | 0x01 vec(exportname' sortidx) */
function readInstance(reader: BinaryReader, walk: Walk): void {
  countInstance(walk);
  const instantiates = reader.byte() === 0x00;
  if (instantiates) reader.u32();
  eachOf(reader, () => {
    if (instantiates) safeName(reader.name());
    else readExternName(reader);
    readSortIndex(reader);
  });
}

/** alias ::= sort (0x00 instance name | 0x01 core-instance name | 0x02 count index) */
function readAlias(reader: BinaryReader): void {
  readSort(reader);
  const target = reader.byte();
  reader.u32();
  if (target === 0x02) reader.u32();
  else safeName(reader.name());
}

/** import ::= importname' externdesc */
function readImport(reader: BinaryReader): string {
  const name = readExternName(reader);
  readExternType(reader);
  return name;
}

/** export ::= exportname' sortidx externdesc? */
function readExport(reader: BinaryReader): string {
  const name = readExternName(reader);
  readSortIndex(reader);
  if (reader.byte() === 0x01) readExternType(reader);
  return name;
}

function readExternName(reader: BinaryReader): string {
  const form = reader.byte();
  if (form > 0x01) throw invalidComponent(`the component names an import or export in an unknown form (${form})`);
  return safeName(reader.name());
}

function readSortIndex(reader: BinaryReader): void {
  readSort(reader);
  reader.u32();
}

/** sort ::= 0x00 core:sort | 0x01 … 0x05 */
function readSort(reader: BinaryReader): void {
  if (reader.byte() === 0x00) reader.byte();
}

/** externdesc ::= 0x00 0x11 i | 0x01 i | 0x02 (value) | 0x03 (0x00 i | 0x01) | 0x04 i | 0x05 i */
function readExternType(reader: BinaryReader): void {
  const kind = reader.byte();
  if (kind === 0x02 || kind > 0x05) throw invalidComponent(`the component imports or exports a thing of kind ${kind}`);
  if (kind === 0x00) reader.byte();
  const isSubresource = kind === 0x03 && reader.byte() === 0x01;
  if (!isSubresource) reader.u32();
}

/** Printable ASCII that cannot end a JavaScript string, template or comment. */
function safeName(name: string): string {
  if (name.length > MAX_NAME_LENGTH || !/^[\x20-\x7e]*$/.test(name) || /['"`\\]|\*\/|\$\{/.test(name)) {
    throw invalidComponent(`the component uses a name that is not safe to transpile: ${JSON.stringify(name.slice(0, 80))}`);
  }
  return name;
}
