import { BlockStates, EFFECTS } from './block-states.ts';
import { Edit, EditList } from './edits.ts';
import { IMMEDIATES, Immediate, Op } from './opcodes.ts';
import { scanAtomic, scanBulk, scanSimd } from './prefixed.ts';
import { instructionText, malformed, type ModuleReader, SMALLEST_ONE_BYTE_TYPE, unsupported } from './reader.ts';
import { type FunctionTypes, skipHandlers, skipLabels, skipValueTypes } from './types.ts';

/** How far the index spaces of a module reach: what the link step appends lies beyond, where no guest may reach. */
interface IndexSpaces {
  readonly functions: number;
  readonly globals: number;
  readonly memories: number;
}

export interface ScanOptions extends IndexSpaces {
  /** Whether `memory.size` and `memory.grow` are to be replaced. */
  readonly logicalSize: boolean;
  readonly types: FunctionTypes;
  /** The type of each function. */
  readonly functionTypes: readonly number[];
}

const NO_VALUE = 0x40;

/**
 * From this size on, straight-line code is checked at every call and every throw as well. A call may lead to a leaf without a
 * check of its own (see `LEAF_BYTES`), which takes under a microsecond, and a throw takes a few: 2^15 bytes hold 2^14 of them.
 * So is every such stretch of it: 130,000 stores in a row, each to a page of its own, took 0.17 s.
 */
const LONG_BODY_BYTES = 32_768;

/**
 * A function without loops and calls ends after running each of its bytes once. If it is this short it needs no check: 48 bytes
 * hold less than a dozen divisions, the slowest instructions there are, and whoever calls it again and again has a check in a
 * loop or at an entry of its own, or is longer than `LONG_BODY_BYTES`.
 */
const LEAF_BYTES = 48;

/** Walks function bodies one after the other. */
export class BodyScanner {
  readonly reader: ModuleReader;
  readonly #spaces: ScanOptions;
  /** What is to be changed in the last body. */
  readonly edits = new EditList();
  /** Found in any body so far. */
  writesTables = false;
  dropsSegments = false;
  #long = false;
  #calls = false;
  readonly #states = new BlockStates();
  /** How many operands a call of each type takes more than it leaves. */
  readonly #callOperands: readonly number[];
  readonly #mostParameters: number;

  constructor(reader: ModuleReader, spaces: ScanOptions) {
    this.reader = reader;
    this.#spaces = spaces;
    const { parameters, results } = spaces.types;
    this.#callOperands = parameters.map((count, type) => count - (results[type] ?? 0));
    this.#mostParameters = parameters.reduce((most, count) => Math.max(most, count), 0);
  }

  /** Scans the body at the reader's position, which ends at `end`, and leaves the reader there. Returns where its code starts. */
  scan(end: number, functionIndex: number): number {
    const { reader, edits } = this;
    edits.length = 0;
    this.#calls = false;
    let locals = this.#spaces.types.parameters[this.#spaces.functionTypes[functionIndex] ?? 0] ?? 0;
    for (let groups = reader.u32(); groups > 0; groups--) {
      locals += reader.u32();
      reader.valueType();
    }
    this.#states.begin(locals);
    const codeStart = reader.at;
    this.#long = end - codeStart > LONG_BODY_BYTES;
    reader.at = this.#scanCode(codeStart, end);
    if (reader.at !== end) throw malformed('a function ends within an instruction', end);
    this.#states.check(codeStart);
    return codeStart;
  }

  /** Whether the last body needs no check where it starts; a loop or a bulk instruction would be among its edits. */
  isShortLeaf(codeStart: number, end: number): boolean {
    return !this.#calls && this.edits.length === 0 && end - codeStart <= LEAF_BYTES;
  }

  /** This loop sees every instruction of every module: no calls, allocations or bounds checks where they can be avoided. */
  #scanCode(start: number, end: number): number {
    const { bytes } = this.reader;
    const states = this.#states;
    let at = start;
    let nextCheckAt = this.#long ? start + LONG_BODY_BYTES : Infinity;
    while (at < end) {
      if (at >= nextCheckAt) {
        this.edits.add(Edit.check, at);
        nextCheckAt = at + LONG_BODY_BYTES;
      }
      const opcode = bytes[at] as number;
      states.height += EFFECTS[opcode] as number;
      switch (IMMEDIATES[opcode] as number) {
        case Immediate.none:
          at++;
          break;
        case Immediate.end:
          if (opcode === Op.end) states.close();
          else states.other(opcode === Op.catchAll ? 0 : undefined);
          at++;
          break;
        case Immediate.number:
          at = skipNumber(bytes, at + 1);
          break;
        case Immediate.memory:
          at = this.#memoryAccess(at + 1);
          break;
        case Immediate.block:
          at = this.#block(opcode, at + 1);
          break;
        case Immediate.function:
          at = this.#function(opcode, at);
          break;
        case Immediate.global:
          at = this.#index(at + 1, this.#spaces.globals, 'global');
          break;
        case Immediate.f32:
          at += 5;
          break;
        case Immediate.f64:
          at += 9;
          break;
        default:
          this.reader.at = at + 1;
          this.#special(opcode, at);
          at = this.reader.at;
      }
    }
    return at;
  }

  /** Alignment, perhaps a memory (multi-memory: bit 6 of the alignment), offset; at the reader's position. */
  memoryAccess(): void {
    this.reader.at = this.#memoryAccess(this.reader.at);
  }

  #memoryAccess(at: number): number {
    const { reader } = this;
    const alignment = reader.bytes[at] as number;
    if (alignment < 0x40 && this.#spaces.memories > 0) return skipNumber(reader.bytes, at + 1);
    reader.at = at;
    const flags = reader.u32();
    this.memoryIndex((flags & 0x40) === 0 ? 0 : reader.u32());
    return skipNumber(reader.bytes, reader.at);
  }

  /** Memory 0 or none: the host's own lie behind it. */
  memoryIndex(index: number): void {
    if (index >= this.#spaces.memories) throw malformed(`it has no memory ${index}`, this.reader.at);
  }

  #block(opcode: number, at: number): number {
    const { reader } = this;
    const first = reader.bytes[at] as number;
    let next = at + 1;
    // No value, or one of a type that has a byte of its own.
    if (first < SMALLEST_ONE_BYTE_TYPE && first !== NO_VALUE) {
      reader.at = at;
      this.#openBlock();
      next = reader.at;
    } else this.#states.open(0, first === NO_VALUE ? 0 : 1);
    if (opcode === Op.loop) this.edits.add(Edit.check, next);
    return next;
  }

  /** At the type of a block, which may be one of the module's types. */
  #openBlock(): void {
    const { reader } = this;
    const { parameters, results } = this.#spaces.types;
    const isEmpty = reader.bytes[reader.at] === NO_VALUE;
    const type = reader.blockType();
    if (type === undefined) this.#states.open(0, isEmpty ? 0 : 1);
    else this.#states.open(parameters[type] ?? 0, results[type] ?? 0);
  }

  #function(opcode: number, at: number): number {
    const { reader } = this;
    reader.at = at + 1;
    const index = reader.u32();
    if (index >= this.#spaces.functions) throw malformed(`it has no function ${index}`, at);
    if (opcode !== Op.referenceFunction) this.#call(at);
    if (opcode === Op.call) this.takes(this.#callOperands[this.#spaces.functionTypes[index] ?? 0] ?? 0);
    return reader.at;
  }

  /** The last instruction took so many operands more than it left. */
  takes(operands: number): void {
    this.#states.height -= operands;
  }

  #call(at: number): void {
    this.#calls = true;
    if (this.#long) this.edits.add(Edit.check, at);
  }

  #index(at: number, count: number, what: string): number {
    const { reader } = this;
    const first = reader.bytes[at] as number;
    if (first < 0x80 && first < count) return at + 1;
    reader.at = at;
    const index = reader.u32();
    if (index >= count) throw malformed(`it has no ${what} ${index}`, at);
    return reader.at;
  }

  #special(opcode: number, at: number): void {
    const { reader } = this;
    switch (opcode) {
      case Op.callIndirect:
      case Op.returnCallIndirect:
      case Op.callReference:
      case Op.returnCallReference:
        this.#call(at);
        this.takes(1 + (this.#callOperands[reader.typeIndex()] ?? 0));
        if (opcode <= Op.returnCallIndirect) reader.number();
        break;
      case Op.tableSet:
        this.writesTables = true;
        reader.number();
        break;
      case Op.nullReference:
        reader.heapType();
        break;
      case Op.memorySize:
      case Op.memoryGrow:
        this.#memorySize(opcode, at);
        break;
      case Op.bulk:
        scanBulk(reader, this);
        break;
      case Op.simd:
        scanSimd(reader, this);
        break;
      case Op.atomic:
        scanAtomic(reader, this);
        break;
      default:
        this.#list(opcode, at);
    }
  }

  #memorySize(opcode: number, at: number): void {
    const { reader } = this;
    this.memoryIndex(reader.u32());
    if (this.#spaces.logicalSize) {
      this.edits.add(opcode === Op.memorySize ? Edit.size : Edit.grow, at, reader.at - at);
    } else if (opcode === Op.memoryGrow) this.edits.add(Edit.check, at);
  }

  /** Instructions that carry a list, or throw. */
  #list(opcode: number, at: number): void {
    const { reader } = this;
    switch (opcode) {
      case Op.branchTable:
        skipLabels(reader);
        break;
      case Op.selectTyped:
        skipValueTypes(reader);
        break;
      case Op.catch:
        // Which tag's payload it is makes no difference that matters.
        this.#states.other(this.#mostParameters);
        reader.number();
        break;
      case Op.delegate:
        this.#states.close();
        reader.number();
        break;
      case Op.tryTable:
        this.#openBlock();
        skipHandlers(reader);
        break;
      case Op.throw:
      case Op.rethrow:
      case Op.throwReference:
        this.#call(at);
        if (opcode !== Op.throwReference) reader.number();
        break;
      default:
        throw unsupported(instructionText(opcode), at);
    }
  }
}

/** Skips a number of any width. Past the end there is no byte: the caller finds itself behind its end. */
function skipNumber(bytes: Uint8Array, at: number): number {
  let next = at;
  while ((bytes[next++] as number) >= 0x80);
  return next;
}
