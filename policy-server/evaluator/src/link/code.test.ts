import { readSections } from '@portcullis/protocol';
import { damage, guestModule, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { EvaluationError } from '../errors.ts';
import { generatedModule } from './fixtures/generated-module.ts';
import { OPTIONS } from './fixtures/linked-instance.ts';
import { leb, rawSection, section, sized, text } from './fixtures/module-bytes.ts';
import { linkModule } from './link.ts';
import { linkOnThread } from './link-thread.ts';

const UNREACHABLE = 0x00;
const END = 0x0b;
const LOOP = [0x03, 0x40, END];
/** What a check adds: see `checkOf`. */
const CHECK_BYTES = 14;

/**
 * A module whose function 0 has this code behind an `unreachable`, after which every instruction is valid whatever it takes from
 * the stack. There is one of everything an instruction can name, so that index 0 is always right and index 1 never.
 */
function moduleWith(code: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0x00, UNREACHABLE, ...code, UNREACHABLE, END];
  return Uint8Array.from(
    [
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, [[0x60, 0x00, 0x00]]),
      section(3, [[0x00]]),
      section(4, [[0x70, 0x00, 0x01]]),
      section(5, [[0x00, 0x01]]),
      section(13, [[0x00, 0x00]]),
      section(6, [[0x7f, 0x01, 0x41, 0x00, END]]),
      section(7, [[...text('f'), 0x00, 0x00]]),
      section(9, [[0x01, 0x00, 0x01, 0x00]]),
      rawSection(12, leb(1)),
      section(10, [sized(body)]),
      section(11, [[0x01, 0x01, 0x78]]),
    ].flat(),
  );
}

const MEMORY_ACCESS = [0x02, 0x84, 0x01];
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const each = (opcodes: readonly number[], ...immediates: number[]): number[][] =>
  opcodes.map((opcode) => [opcode, ...immediates]);
const prefixed = (prefix: number, opcodes: readonly number[], ...immediates: number[]): number[][] =>
  opcodes.map((opcode) => [prefix, ...leb(opcode), ...immediates]);

/** Instructions by what follows their opcode, as the specification and the proposals have it. */
const FAMILIES: Readonly<Record<string, readonly (readonly number[])[]>> = {
  'without immediates': each([0x00, 0x01, 0x0f, 0x1a, 0x1b, 0xd1, 0xd3, 0xd4, ...range(0x45, 0xc4)]),
  blocks: [
    [0x02, 0x40, END],
    [0x02, 0x7f, UNREACHABLE, END],
    [0x02, 0x63, 0x70, UNREACHABLE, END],
    [0x02, 0x80, 0x00, END],
    [0x04, 0x00, 0x05, END],
  ],
  branches: [
    [0x0c, 0x00],
    [0x0d, 0x80, 0x00],
    [0x0e, 0x03, 0x00, 0x00, 0x00, 0x00],
    [0x0e, 0x00, 0x00],
  ],
  'select with a type': [
    [0x1c, 0x01, 0x7b],
    [0x1c, 0x01, 0x64, 0x00],
  ],
  variables: [...each([0x23, 0x24], 0x00), [0x24, 0x80, 0x80, 0x00]],
  'memory accesses': [
    ...each(range(0x28, 0x3e), 0x00, 0x84, 0x01),
    [0x28, 0x40, 0x00, 0x07],
    [0x28, 0xc2, 0x00, 0x80, 0x00, 0x07],
  ],
  constants: [
    [0x41, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f],
    [0x43, 1, 2, 3, 4],
    [0x44, 1, 2, 3, 4, 5, 6, 7, 8],
  ],
  references: [
    [0xd0, 0x70],
    [0xd0, 0x00],
    [0xd2, 0x00],
    [0xd5, 0x00],
    [0xd6, 0x00],
    [0x25, 0x00],
  ],
  'saturating conversions': prefixed(0xfc, range(0, 7)),
  'vectors: accesses': [
    ...prefixed(0xfd, [...range(0, 11), 92, 93], 0x00, 0x84, 0x01),
    [0xfd, 0x8b, 0x00, 0x40, 0x00, 0x07],
  ],
  'vectors: lanes of accesses': prefixed(0xfd, range(84, 91), 0x00, 0x84, 0x01, 0x01),
  'vectors: lanes': prefixed(0xfd, range(21, 34), 0x01),
  'vectors: constants': prefixed(0xfd, [12, 13], ...range(1, 16)),
  'vectors: without immediates': prefixed(0xfd, [14, 20, 35, 83, 94, 128, 153, 200, 255, 0x100, 0x113]),
  atomics: [
    ...prefixed(0xfe, [0x00, 0x01, 0x10, 0x17, 0x1e, 0x48], ...MEMORY_ACCESS).filter(([, opcode]) => opcode !== 0x17),
    ...prefixed(0xfe, [0x02, 0x11, 0x18], 0x03, 0x84, 0x01),
    [0xfe, 0x03, 0x00],
  ],
  'exceptions, legacy': [
    [0x06, 0x40, 0x07, 0x00, 0x19, END],
    [0x06, 0x40, 0x07, 0x00, 0x09, 0x00, END],
    [0x06, 0x40, 0x18, 0x00],
    [0x08, 0x00],
  ],
  exceptions: [
    [0x1f, 0x40, 0x00, END],
    [0x02, 0x40, 0x1f, 0x40, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, END, END],
    [0x02, 0x69, 0x1f, 0x40, 0x02, 0x01, 0x00, 0x00, 0x03, 0x00, END, UNREACHABLE, END],
    [0x0a],
  ],
};

/** How many bytes the code of a module gains over what it takes for added functions anyway. */
function gainOf(code: readonly number[]): number {
  const gain = (bytes: Uint8Array<ArrayBuffer>): number =>
    codeBytes(linkModule(bytes, OPTIONS).bytes) - codeBytes(bytes);
  return gain(moduleWith(code)) - gain(moduleWith([]));
}

function codeBytes(bytes: Uint8Array): number {
  const code = readSections(bytes).find(({ id }) => id === 10);
  return code === undefined ? 0 : code.end - code.payloadStart;
}

test('the walker knows where every instruction ends', (t) => {
  for (const [family, codes] of Object.entries(FAMILIES)) {
    const wrong = codes.filter((code) => {
      const bytes = moduleWith([...code, ...LOOP]);
      if (!WebAssembly.validate(bytes)) return true;
      const { bytes: linked } = linkModule(bytes, OPTIONS);
      return !WebAssembly.validate(linked) || gainOf([...code, ...LOOP]) !== 2 * CHECK_BYTES;
    });
    t.same(wrong, [], `${family}: ${codes.length} instructions`);
  }
  t.end();
});

test('what calls or takes long gets a check of its own', (t) => {
  const entry = CHECK_BYTES;
  t.equal(gainOf([0x01]), 0, 'a short leaf has none');
  t.equal(gainOf(Array.from({ length: 50 }, () => 0x01)), entry, 'a longer one has');
  for (const call of [
    [0x10, 0x00],
    [0x11, 0x00, 0x00],
    [0x12, 0x00],
    [0x13, 0x00, 0x00],
    [0x14, 0x00],
    [0x15, 0x00],
  ]) {
    t.ok(WebAssembly.validate(linkModule(moduleWith(call), OPTIONS).bytes));
    t.equal(gainOf(call), entry, `call 0x${call[0]?.toString(16)}`);
  }
  for (const [bulk, kept] of [
    [[0xfc, 0x08, 0x00, 0x00], true],
    [[0xfc, 0x0a, 0x00, 0x00], false],
    [[0xfc, 0x0b, 0x00], false],
    [[0xfc, 0x0c, 0x00, 0x00], true],
    [[0xfc, 0x0e, 0x00, 0x00], true],
    [[0xfc, 0x0f, 0x00], true],
    [[0xfc, 0x11, 0x00], true],
    [[0xfc, 0x10, 0x00], undefined],
    [[0xfc, 0x09, 0x00], undefined],
    [[0xfc, 0x0d, 0x00], undefined],
  ] as const) {
    // A replaced instruction is a call of two bytes.
    const expected = kept === undefined ? 0 : entry + (kept ? CHECK_BYTES : 2 - bulk.length);
    t.equal(gainOf(bulk), expected, `bulk instruction ${bulk[1]}`);
  }
  const calls = (count: number): number[] => Array.from({ length: count }, () => [0x10, 0x00]).flat();
  for (const thrown of [[0x08, 0x00], [0x06, 0x40, 0x07, 0x00, 0x09, 0x00, END], [0x0a], [0x40, 0x00]]) {
    t.equal(gainOf(thrown), entry, `0x${thrown[0]?.toString(16)} is not short`);
  }
  // Sizes are written in as many bytes as they need; the code section's own has always five.
  const longer = (count: number): number => gainOf(calls(count)) - gainOf(calls(1));
  t.ok(longer(16_000) <= 8, 'calls of a function of ordinary size have none');
  t.ok(longer(17_000) > 16_900 * CHECK_BYTES, 'calls of a long function have one each');
  t.end();
});

test('what is not known is never passed over: the module is refused, and its author told why', async (t) => {
  const refused = (bytes: Uint8Array, what: RegExp): void =>
    void t.throws(() => linkModule(bytes, OPTIONS), {
      code: 'module-invalid',
      message: new RegExp(
        `^cannot compile the module: ${what.source} at offset \\d+ is not supported; build the policy without it$`,
      ),
    });
  for (const [code, what] of [
    [[0xfb, 0x1c], /the instruction 0xfb \(garbage collection\)/],
    [[0xfc, 0x7f], /the instruction 0xfc 0x7f/],
    [[0xfd, 0x80, 0x04], /the instruction 0xfd 0x200/],
    [[0xfe, 0x7f], /the instruction 0xfe 0x7f/],
    [[0xff], /the instruction 0xff/],
    [[0x27], /the instruction 0x27/],
    [[0x1c, 0x01, 0x05], /the type 0x5/],
  ] as const) {
    refused(moduleWith(code), what);
  }
  const [preamble, noCode] = [[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], section(1, [[0x5f, 0x00]])];
  const structs = Uint8Array.of(...preamble, ...noCode, ...section(6, [[0x6e, 0x00, 0xfb, 0x01, 0x00, END]]));
  t.ok(WebAssembly.validate(structs));
  refused(structs, /the instruction 0xfb \(garbage collection\)/);
  refused(Uint8Array.of(...preamble, ...section(1, [[0x5d, 0x00]])), /a type of kind 0x5d/);
  refused(Uint8Array.of(...preamble, ...section(2, [[...text('m'), ...text('n'), 0x05]])), /an import of kind 5/);
  refused(Uint8Array.of(...preamble, ...rawSection(14, [0])), /a section of kind 14/);
  // One such instruction in front of a module that takes the compiler for ever must not turn off what bounds it.
  const bomb = Uint8Array.from(moduleWith([0x01, 0xfb, 0x1c, ...Array.from({ length: 100 }, () => LOOP).flat()]));
  t.throws(() => linkModule(bomb, { ...OPTIONS, memory: 'own' }), { code: 'module-invalid' }, 'in components, too');
  await t.rejects(linkOnThread(bomb, OPTIONS), { code: 'module-invalid', message: /is not supported/ });
});

test('a function that checks would make too large for the engine is refused', (t) => {
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section(1, [[0x60, 0, 0]]), ...section(3, [[0]])];
  const code = Buffer.alloc(7_500_000, Uint8Array.from(LOOP));
  const body = Buffer.concat([Uint8Array.of(0), code, Uint8Array.of(END)]);
  const payload = Buffer.concat([Uint8Array.of(1, ...leb(body.length)), body]);
  const module = Uint8Array.from(Buffer.concat([Uint8Array.of(...head, 10, ...leb(payload.length)), payload]));
  const message =
    'cannot compile the module: its function of 7500002 bytes at offset 28 is too large for deadline checks; ' +
    'build the policy with smaller functions';
  t.throws(() => linkModule(module, OPTIONS), { code: 'module-invalid', message });
  t.end();
});

test('a module cannot reach what the link step appends', (t) => {
  const beyond: Readonly<Record<string, readonly number[]>> = {
    'the control memory, loaded from': [0x28, 0x42, 0x01, 0x00],
    'the control memory, stored to': [0x36, 0x42, 0x01, 0x00],
    'the control memory, by a longer number': [0x36, 0xc2, 0x00, 0x81, 0x00, 0x00],
    'the control memory, atomically': [0xfe, 0x17, 0x42, 0x01, 0x00],
    'the control memory, by a vector': [0xfd, 0x0b, 0x44, 0x01, 0x00],
    'the control memory, by a lane': [0xfd, 0x58, 0x40, 0x01, 0x00, 0x00],
    'the control memory, its size': [0x3f, 0x01],
    'the control memory, grown': [0x40, 0x01],
    'the control memory, filled': [0xfc, 0x0b, 0x01],
    'the control memory, copied to': [0xfc, 0x0a, 0x01, 0x00],
    'the control memory, copied from': [0xfc, 0x0a, 0x00, 0x01],
    'the control memory, initialised': [0xfc, 0x08, 0x00, 0x01],
    'the logical size': [0x24, 0x01],
    'the logical size, by a longer number': [0x24, 0x81, 0x00],
    'an added function, called': [0x10, 0x01],
    'an added function, called last': [0x12, 0x01],
    'an added function, referred to': [0xd2, 0x01],
  };
  for (const [what, code] of Object.entries(beyond)) {
    t.throws(() => linkModule(moduleWith(code), OPTIONS), { code: 'module-invalid', message: /malformed/ }, what);
  }
  const sections: Readonly<Record<string, readonly number[]>> = {
    'the control memory, by data': [
      ...section(5, [[0x00, 0x01]]),
      ...section(11, [[0x02, 0x01, 0x41, 0x00, END, 0x01, 0x01]]),
    ],
    'the control memory, by data without a memory': section(11, [[0x00, 0x41, 0x00, END, 0x01, 0x01]]),
    'the control memory, exported': [...section(5, [[0x00, 0x01]]), ...section(7, [[...text('m'), 0x02, 0x01]])],
    'the control memory, exported without a memory': section(7, [[...text('m'), 0x02, 0x00]]),
    'a function, exported': section(7, [[...text('f'), 0x00, 0x00]]),
    'a global, exported': section(7, [[...text('g'), 0x03, 0x00]]),
    'a function, started': rawSection(8, [0x00]),
    'a function, as an element': [
      ...section(4, [[0x70, 0x00, 0x01]]),
      ...section(9, [[0x00, 0x41, 0x00, END, 0x01, 0x00]]),
    ],
    'a function, as an expression': [
      ...section(4, [[0x70, 0x00, 0x01]]),
      ...section(9, [[0x05, 0x70, 0x01, 0xd2, 0x00, END]]),
    ],
    'a function, in a global': section(6, [[0x70, 0x00, 0xd2, 0x00, END]]),
  };
  for (const [what, bytes] of Object.entries(sections)) {
    const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes);
    t.throws(() => linkModule(module, OPTIONS), { code: 'module-invalid', message: /malformed/ }, what);
  }
  const accessWithoutMemory = [
    ...section(1, [[0x60, 0x00, 0x00]]),
    ...section(3, [[0x00]]),
    ...section(10, [sized([0x00, 0x00, 0x28, 0x02, 0x00, 0x00, END])]),
  ];
  t.throws(
    () => linkModule(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...accessWithoutMemory), OPTIONS),
    /malformed/,
  );
  t.end();
});

/** What the engine thinks of a module before and after; `undefined` if both are of one mind. */
function disagreement(bytes: Uint8Array<ArrayBuffer>): string | undefined {
  const isValid = WebAssembly.validate(bytes);
  try {
    const { bytes: linked } = linkModule(bytes, OPTIONS);
    if (WebAssembly.validate(linked) === isValid) return undefined;
    return `${isValid ? 'valid' : 'invalid'} before it was linked`;
  } catch (error) {
    if (!(error instanceof EvaluationError) || error.code !== 'module-invalid') throw error;
    return isValid && /malformed/.test(error.message) ? error.message : undefined;
  }
}

test('damaged modules: no crash, no hang, and never valid where they were not', async (t) => {
  const random = randomFrom(20_262);
  const sources = [
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((seed) => generatedModule(seed).bytes),
    ...Object.values(FAMILIES).map((codes) => moduleWith(codes.flat())),
  ];
  const pieces = [...Object.values(FAMILIES).flat(), [0x03, 0x40], [0x3f, 0x00], [0x40, 0x00], [END], [0x40, 0x01]].map(
    (code) => Uint8Array.from(code),
  );
  const found: string[] = [];
  let valid = 0;
  for (let round = 0; round < 4000; round++) {
    const source = sources[random(sources.length)] ?? new Uint8Array();
    const bytes = Uint8Array.from(damage(source, random, pieces));
    if (WebAssembly.validate(bytes)) valid++;
    const problem = disagreement(bytes);
    if (problem !== undefined) found.push(`round ${round}: ${problem}`);
  }
  t.same(found, []);
  t.ok(valid > 150, `${valid} damaged modules were valid still`);
});

test('random code: the walker and the engine agree on where it ends', (t) => {
  const random = randomFrom(20_263);
  const found: string[] = [];
  let valid = 0;
  for (let round = 0; round < 6000; round++) {
    const opcode = random(3) === 0 ? 0xfb + random(4) : random(256);
    const immediates = Array.from({ length: random(5) }, () => (random(3) === 0 ? random(256) : random(4)));
    const bytes = moduleWith([opcode, ...(opcode >= 0xfb ? leb(random(300)) : []), ...immediates, ...LOOP]);
    if (WebAssembly.validate(bytes)) valid++;
    const problem = disagreement(bytes);
    if (problem !== undefined) found.push(`${Buffer.from(bytes).toString('hex')}: ${problem}`);
  }
  t.same(found, []);
  t.ok(valid > 500, `${valid} were valid`);
  t.end();
});

test('damaged policies: no crash, no hang, and never valid where they were not', async (t) => {
  const guest = Uint8Array.from(await guestModule('wapc-rust'));
  const random = randomFrom(20_264);
  const found: (string | undefined)[] = [];
  for (let round = 0; round < 60; round++) {
    const bytes = Uint8Array.from(guest);
    for (let flips = random(3); flips >= 0; flips--) bytes[8 + random(bytes.length - 8)] = random(256);
    const problem = disagreement(bytes);
    if (problem !== undefined) found.push(`round ${round}: ${problem}`);
  }
  t.same(found, []);
});

test('sizes that lie cost nothing', (t) => {
  const lie = [0xff, 0xff, 0xff, 0xff, 0x0f];
  const preamble = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  for (const id of [1, 2, 3, 4, 5, 6, 7, 9, 10, 11]) {
    t.throws(
      () => linkModule(Uint8Array.of(...preamble, id, 5, ...lie), OPTIONS),
      { code: 'module-invalid' },
      `section ${id}`,
    );
    t.throws(() => linkModule(Uint8Array.of(...preamble, id, ...lie), OPTIONS), { code: 'module-invalid' });
  }
  const code = [...section(1, [[0x60, 0, 0]]), ...section(3, [[0]])];
  for (const body of [
    lie,
    [...lie, 0x7f],
    [0, 0x0e, ...lie],
    [0, 0x1c, ...lie],
    [0, 0x1f, 0x40, ...lie],
    [0, 0x41, ...lie.slice(0, 4)],
  ]) {
    const bytes = Uint8Array.of(...preamble, ...code, ...section(10, [sized(body)]));
    t.throws(() => linkModule(bytes, OPTIONS), { code: 'module-invalid' }, String(body));
  }
  t.end();
});
