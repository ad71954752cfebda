import { damage, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { ModuleError } from '../errors.ts';
import { decodeUtf8, encodeUtf8 } from '../utf8.ts';
import { concatBytes, encodeU32 } from './binary.ts';
import { dataSegments } from './data-segments.ts';
import { exportNames, importNames, isRegoModule, renameImport } from './imports-exports.ts';
import { METADATA_SECTION, readMetadata } from './metadata-section.ts';
import { moduleKind, readCustomSection, readSections, replaceCustomSection } from './sections.ts';

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const COMPONENT_PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

const bytes = (...parts: (number | Uint8Array)[]): Uint8Array =>
  concatBytes(parts.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part)));
const name = (text: string): Uint8Array => bytes(encodeU32(encodeUtf8(text).length), encodeUtf8(text));
const section = (id: number, ...parts: (number | Uint8Array)[]): Uint8Array => {
  const payload = bytes(...parts);
  return bytes(id, encodeU32(payload.length), payload);
};
const custom = (title: string, content: string): Uint8Array => section(0, name(title), encodeUtf8(content));
const module = (...sections: Uint8Array[]): Uint8Array => bytes(Uint8Array.from(PREAMBLE), ...sections);

const TYPES = section(1, 2, 0x60, 0, 0, 0x60, 2, 0x7f, 0x7f, 1, 0x7f);
const IMPORTS = section(
  2,
  6,
  name('kubewarden:javy/host'),
  name('call'),
  0x00,
  1,
  name('env'),
  name('memory'),
  0x02,
  0x03,
  1,
  2,
  name('env'),
  name('table'),
  0x01,
  0x70,
  0x00,
  1,
  name('env'),
  name('global'),
  0x03,
  0x7f,
  0x00,
  name('env'),
  name('tag'),
  0x04,
  0x00,
  0,
  name('wapc'),
  name('__host_call'),
  0x00,
  0,
);
const EXPORTS = section(7, 2, name('memory'), 0x02, 0, name('__guest_call'), 0x00, 0);
const DATA = section(
  11,
  3,
  0x00,
  0x41,
  0x80,
  0x08,
  0x0b,
  name('kubernetes'),
  0x01,
  name('can_i'),
  0x02,
  0,
  0x23,
  0x00,
  0x41,
  0x08,
  0x6a,
  0x0b,
  name(''),
);
const WHOLE = module(
  TYPES,
  IMPORTS,
  EXPORTS,
  DATA,
  custom('name', 'n'),
  custom(METADATA_SECTION, '{"rules":[],"mutating":false}'),
);

const read = {
  sections: readSections,
  exports: exportNames,
  imports: importNames,
  data: dataSegments,
  metadata: readMetadata,
  replaced: (module_: Uint8Array) => replaceCustomSection(module_, 'x', encodeUtf8('y')),
  renamed: (module_: Uint8Array) => renameImport(module_, { module: 'env', name: 'tag' }, { module: 'a', name: 'b' }),
};

test('a module is told from a component and from anything else', async (t) => {
  t.equal(moduleKind(WHOLE), 'module');
  t.equal(moduleKind(Uint8Array.from(COMPONENT_PREAMBLE)), 'component');
  t.throws(() => moduleKind(new Uint8Array()), { name: 'ModuleError', offset: 0 });
  t.throws(() => moduleKind(encodeUtf8('#!/bin/sh')), /not a WebAssembly binary/);
  t.throws(
    () => moduleKind(Uint8Array.from([...PREAMBLE.slice(0, 4), 2, 0, 0, 0])),
    /unknown WebAssembly version .*2\.0\.0\.0/,
  );
});

test('sections are found with their borders', async (t) => {
  const sections = readSections(WHOLE);
  t.same(
    sections.map(({ id }) => id),
    [1, 2, 7, 11, 0, 0],
  );
  t.equal(sections[0]?.start, 8);
  t.equal(sections.at(-1)?.end, WHOLE.length);
  t.same(readSections(module()), []);
});

test('imports, exports and data are read without compiling', async (t) => {
  t.same(exportNames(WHOLE), ['memory', '__guest_call']);
  t.same(
    importNames(WHOLE).map((entry) => `${entry.module}.${entry.name}`),
    ['kubewarden:javy/host.call', 'env.memory', 'env.table', 'env.global', 'env.tag', 'wapc.__host_call'],
  );
  t.same(dataSegments(WHOLE).map(decodeUtf8), ['kubernetes', 'can_i', '']);
  for (const empty of [module(), Uint8Array.from(COMPONENT_PREAMBLE)]) {
    t.same([exportNames(empty), importNames(empty), dataSegments(empty)], [[], [], []]);
  }
});

test('a module compiled from Rego is known by its exports', async (t) => {
  t.notOk(isRegoModule(WHOLE));
  t.ok(isRegoModule(module(section(7, 1, name('opa_eval_ctx_new'), 0x00, 0))));
});

test('an import gets another name and everything else stays', async (t) => {
  const renamed = renameImport(
    WHOLE,
    { module: 'kubewarden:javy/host', name: 'call' },
    { module: 'host', name: 'call' },
  );
  t.same(importNames(renamed)[0], { module: 'host', name: 'call' });
  t.same(importNames(renamed).slice(1), importNames(WHOLE).slice(1));
  t.same(exportNames(renamed), exportNames(WHOLE));
  t.same(readMetadata(renamed), readMetadata(WHOLE));
  const back = renameImport(
    renamed,
    { module: 'host', name: 'call' },
    { module: 'kubewarden:javy/host', name: 'call' },
  );
  t.same(back, WHOLE);
  t.equal(
    renameImport(WHOLE, { module: 'host', name: 'call' }, { module: 'x', name: 'y' }),
    WHOLE,
    'nothing to rename',
  );
});

test('a module annotated twice carries only the new metadata, where the reference keeps the old in force', async (t) => {
  const once = replaceCustomSection(WHOLE, METADATA_SECTION, encodeUtf8('{"rules":[],"mutating":true}'));
  t.equal(readMetadata(once)?.mutating, true);
  t.equal(readSections(once).length, 6);
  t.equal(decodeUtf8(readCustomSection(once, 'name') ?? new Uint8Array()), 'n');
  const doubled = module(custom('a', '1'), custom('a', '2'));
  t.equal(decodeUtf8(readCustomSection(doubled, 'a') ?? new Uint8Array()), '1', 'the first one counts');
  t.same(readSections(replaceCustomSection(doubled, 'a', encodeUtf8('3'))).length, 1, 'both are replaced');
  t.equal(readCustomSection(WHOLE, 'absent'), undefined);
});

test('a component carries custom sections like a module', async (t) => {
  const component = replaceCustomSection(
    Uint8Array.from(COMPONENT_PREAMBLE),
    METADATA_SECTION,
    encodeUtf8('{"rules":[],"mutating":true,"executionMode":"component"}'),
  );
  t.equal(readMetadata(component)?.executionMode, 'component');
});

test('metadata that cannot be read is told from a module that cannot be read', async (t) => {
  t.equal(readMetadata(module(EXPORTS)), undefined, 'not annotated');
  t.throws(() => readMetadata(module(custom(METADATA_SECTION, '{}'))), {
    message:
      'cannot deserialize custom section `io.kubewarden.metadata` of wasm module: missing field `rules` at line 1 column 2',
    offset: 8,
  });
  t.throws(
    () => readMetadata(encodeUtf8('nonsense')),
    /^cannot parse custom section of wasm module: not a WebAssembly binary/,
  );
  t.throws(
    () => readMetadata(module(bytes(0, 0xff, 0x01))),
    /^cannot parse custom section of wasm module: unexpected end/,
  );
});

test('sizes that lie are refused, not believed', async (t) => {
  const lies = {
    'section beyond the end': module(bytes(7, 0x7f)),
    'number of six bytes': module(bytes(7, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)),
    'number over 32 bits': module(bytes(7, 0xff, 0xff, 0xff, 0xff, 0x1f)),
    'four billion exports': module(section(7, 0xff, 0xff, 0xff, 0xff, 0x0f)),
    'four billion imports': module(section(2, 0xff, 0xff, 0xff, 0xff, 0x0f)),
    'four billion segments': module(section(11, 0xff, 0xff, 0xff, 0xff, 0x0f)),
    'name beyond its section': module(section(7, 1, 0x7f, 0x61), custom('x', 'y'.repeat(200))),
    'name that is not UTF-8': module(section(7, 1, 1, 0xff, 0, 0)),
    'import of kind 9': module(section(2, 1, name('a'), name('b'), 9)),
    'segment of kind 3': module(section(11, 1, 3)),
    'endless offset': module(section(11, 1, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80)),
    'call in an offset': module(section(11, 1, 0, 0x10, 0x00, 0x0b, 0)),
  };
  for (const [what, lie] of Object.entries(lies)) {
    t.throws(() => [readSections(lie), exportNames(lie), importNames(lie), dataSegments(lie)], ModuleError, what);
  }
});

test('ten thousand sections and imports are read in linear time', async (t) => {
  const many = module(
    section(2, encodeU32(20_000), ...Array.from({ length: 20_000 }, () => bytes(name('env'), name('f'), 0x00, 0))),
    ...Array.from({ length: 20_000 }, () => custom('x', 'y')),
  );
  const started = performance.now();
  t.equal(readSections(many).length, 20_001);
  t.equal(importNames(many).length, 20_000);
  t.equal(readMetadata(many), undefined);
  t.equal(readSections(replaceCustomSection(many, 'x', encodeUtf8('z'))).length, 2);
  t.ok(performance.now() - started < 10_000);
});

test('damaged modules are read or refused with an offset, never worse', async (t) => {
  const random = randomFrom(21);
  const pieces = [bytes(0xff, 0xff, 0xff, 0xff, 0x0f), bytes(0x80), custom('z', 'z'), bytes(0x0b)];
  let refused = 0;
  for (let round = 0; round < 4000; round++) {
    const damaged = damage(WHOLE, random, pieces);
    for (const [what, reads] of Object.entries(read)) {
      try {
        reads(damaged);
      } catch (error) {
        if (!(error instanceof ModuleError)) throw error;
        if (error.offset < 0 || error.offset > damaged.length) t.fail(`${what}: offset ${error.offset}`);
        refused++;
      }
    }
  }
  t.ok(refused > 4000, `${refused} of 28000 refused`);
});

test('whatever the engine accepts is read, and by the same names', async (t) => {
  const random = randomFrom(22);
  const plain = module(
    TYPES,
    section(2, 1, name('wapc'), name('__host_call'), 0x00, 0),
    section(5, 1, 0, 1),
    section(7, 1, name('memory'), 0x02, 0),
  );
  let valid = 0;
  for (let round = 0; round < 4000; round++) {
    const damaged = damage(plain, random, [custom('z', 'z'), bytes(0), bytes(1)]);
    if (!WebAssembly.validate(damaged)) continue;
    valid++;
    const compiled = new WebAssembly.Module(damaged);
    t.same(
      exportNames(damaged),
      WebAssembly.Module.exports(compiled).map((entry) => entry.name),
    );
    t.same(
      importNames(damaged),
      WebAssembly.Module.imports(compiled).map((entry) => ({ module: entry.module, name: entry.name })),
    );
  }
  t.ok(valid > 100, `${valid} valid modules among them`);
});
