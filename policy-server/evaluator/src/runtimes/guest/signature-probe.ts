import { readSections } from '@portcullis/protocol';
import type { Signature } from './offer.ts';

const TYPE_SECTION = 1;
const IMPORT_SECTION = 2;
const FUNCTION_SECTION = 3;
const EXPORT_SECTION = 7;
const CODE_SECTION = 10;

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCTION_TYPE = 0x60;
const EXPORTED_FUNCTION = 0x00;
/** No locals, `unreachable`, `end`: valid for every type. */
const TRAPPING_BODY = [0x03, 0x00, 0x00, 0x0b];
const VALUE_TYPES: Readonly<Record<string, number>> = { i: 0x7f, I: 0x7e };

/**
 * Finds an import whose function type differs from the offered one; JavaScript functions would be linked to any type, and the
 * guest's values would then be anything but numbers.
 *
 * The engine compares the types itself: a probe module made of the guest's type and import sections alone (so there is nothing
 * to run) is instantiated with Wasm functions of the offered types.
 */
export function mismatchedImport(
  bytes: Uint8Array,
  imports: readonly WebAssembly.ModuleImportDescriptor[],
  signatureOf: (each: WebAssembly.ModuleImportDescriptor) => Signature,
): string | undefined {
  if (imports.length === 0) return undefined;
  const functions = functionsOf([...new Set(imports.map(signatureOf))]);
  const linked: Record<string, Record<string, WebAssembly.ImportValue>> = Object.create(null);
  for (const each of imports) {
    linked[each.module] ??= Object.create(null) as Record<string, WebAssembly.ImportValue>;
    const offered = functions.get(signatureOf(each));
    const module = linked[each.module];
    if (offered !== undefined && module !== undefined) module[each.name] = offered;
  }
  try {
    new WebAssembly.Instance(new WebAssembly.Module(probeOf(bytes)), linked);
    return undefined;
  } catch (error) {
    if (!(error instanceof WebAssembly.LinkError)) throw error;
    const index = Number(/Import #(\d+)/.exec(error.message)?.[1]);
    const found = imports[index];
    return found === undefined ? 'a function' : `${found.module}.${found.name}`;
  }
}

function probeOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const kept = readSections(bytes)
    .filter((each) => each.id === TYPE_SECTION || each.id === IMPORT_SECTION)
    .map((each) => bytes.subarray(each.start, each.end));
  return new Uint8Array(Buffer.concat([Uint8Array.from(PREAMBLE), ...kept]));
}

/** Wasm functions of the given types, by type. */
function functionsOf(signatures: readonly Signature[]): ReadonlyMap<Signature, WebAssembly.ExportValue> {
  const bytes = Uint8Array.from([
    ...PREAMBLE,
    ...section(TYPE_SECTION, signatures.map(functionType)),
    ...section(
      FUNCTION_SECTION,
      signatures.map((_, index) => leb(index)),
    ),
    ...section(
      EXPORT_SECTION,
      signatures.map((_, index) => [...name(String(index)), EXPORTED_FUNCTION, ...leb(index)]),
    ),
    ...section(
      CODE_SECTION,
      signatures.map(() => TRAPPING_BODY),
    ),
  ]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  return new Map(
    signatures.flatMap((signature, index) => {
      const exported = exports[String(index)];
      return exported === undefined ? [] : [[signature, exported]];
    }),
  );
}

function functionType(signature: Signature): number[] {
  const [parameters = '', results = ''] = signature.split('>');
  return [FUNCTION_TYPE, ...valueTypes(parameters), ...valueTypes(results)];
}

function valueTypes(letters: string): number[] {
  const types = Array.from(letters, (letter) => VALUE_TYPES[letter] ?? 0);
  return [...leb(types.length), ...types];
}

function section(id: number, entries: readonly number[][]): number[] {
  const payload = [...leb(entries.length), ...entries.flat()];
  return [id, ...leb(payload.length), ...payload];
}

function name(text: string): number[] {
  return [...leb(text.length), ...Buffer.from(text, 'latin1')];
}

function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return [...out, rest];
}
