import { EvaluationError } from '../errors.ts';
import type { ModuleReader } from './reader.ts';
import type { Payload } from './sections.ts';
import { skipConstant } from './types.ts';
import { encodeUnsigned } from './writer.ts';

/**
 * Entries all tables of an instance may have together, at its start. They lie outside of its memory: 24 bytes each, and making them
 * takes 0.4 µs each. Toolchains need one for each function whose address is taken; 90 MB of Go have 47,000.
 */
export const MAX_TABLE_ENTRIES = 2 ** 18;

/** Flags of a table's limits. */
const HAS_MAXIMUM = 1;
const TABLE_WITH_INITIAL_VALUE = 0x40;

export interface TableLimits extends Payload {
  readonly minimum: number;
  /** Absent = it may grow as far as the engine lets it. */
  readonly maximum?: number;
}

/** The tables a module defines. */
export function readTables(reader: ModuleReader, functionCount: number): TableLimits[] {
  const tables: TableLimits[] = [];
  for (let count = reader.count(); count > 0; count--) {
    const hasValue = reader.bytes[reader.at] === TABLE_WITH_INITIAL_VALUE;
    if (hasValue) reader.skip(2);
    reader.valueType();
    tables.push(readTableLimits(reader));
    if (hasValue) skipConstant(reader, functionCount);
  }
  return tables;
}

export function readTableLimits(reader: ModuleReader): TableLimits {
  const start = reader.at;
  const flags = reader.u32();
  if (flags > HAS_MAXIMUM) throw invalid('the module needs a shared or 64-bit table, expected one with 32-bit indices');
  const minimum = reader.u32();
  const maximum = flags === HAS_MAXIMUM ? reader.u32() : undefined;
  return { start, end: reader.at, minimum, ...(maximum !== undefined && { maximum }) };
}

/** What tables have together at their start. */
export function entriesOf(tables: readonly TableLimits[]): number {
  return tables.reduce((total, { minimum }) => total + minimum, 0);
}

/**
 * The payload of a table section in which no table can grow without bounds: all that several can grow by is shared out evenly.
 *
 * @throws EvaluationError `module-invalid` when the module cannot even start within the cap.
 */
export function cappedTables(bytes: Uint8Array, section: Payload, tables: readonly TableLimits[]): Uint8Array {
  const entries = entriesOf(tables);
  if (entries > MAX_TABLE_ENTRIES) {
    throw invalid(
      `the module needs tables of ${entries} entries at start, at most ${MAX_TABLE_ENTRIES} are allowed together`,
    );
  }
  const share = Math.floor((MAX_TABLE_ENTRIES - entries) / Math.max(tables.length, 1));
  const parts: Uint8Array[] = [];
  let from = section.start;
  for (const { start, end, minimum, maximum = Infinity } of tables) {
    const most = Math.max(minimum, Math.min(maximum, minimum + share));
    parts.push(bytes.subarray(from, start), limits(minimum, most));
    from = end;
  }
  return Buffer.concat([...parts, bytes.subarray(from, section.end)]);
}

function limits(minimum: number, maximum: number): Uint8Array {
  return Uint8Array.from([HAS_MAXIMUM, ...encodeUnsigned(minimum), ...encodeUnsigned(maximum)]);
}

function invalid(message: string): EvaluationError {
  return new EvaluationError('module-invalid', message);
}
