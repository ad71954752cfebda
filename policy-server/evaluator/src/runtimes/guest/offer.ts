import { EvaluationError } from '../../errors.ts';
import type { Guest } from './guest.ts';
import { mismatchedImport } from './signature-probe.ts';

/** Parameters and result of a function, `i` = i32, `I` = i64: `iIi>i`, or `i>` without a result. */
export type Signature = string;

/** One module of imports offered to guests. */
export interface OfferedModule {
  readonly signatures: Readonly<Record<string, Signature>>;
  /** Functions during which the guest is suspended. */
  readonly suspending: readonly string[];
}

/** Everything a runtime offers, by the name guests import it from. */
export type Offer = ReadonlyMap<string, OfferedModule>;

export type HostFunction = (...args: never[]) => unknown;

/** The functions behind an offer for one instance, made only for those modules a guest imports from. */
export type HostFunctions = ReadonlyMap<string, () => Readonly<Record<string, HostFunction>>>;

/**
 * Refuses a module that imports what is not offered, by name or by type, before any of its code runs. `imports` are those the
 * author of the module knows, and `bytes` what they wrote.
 */
export function checkImports(
  imports: readonly WebAssembly.ModuleImportDescriptor[],
  bytes: Uint8Array,
  offer: Offer,
): void {
  const missing = imports.filter((each) => each.kind !== 'function' || signatureOf(offer, each) === undefined);
  if (missing.length > 0) {
    const shown = missing.slice(0, MAX_SHOWN).map((each) => `${each.module}.${each.name}${kindNote(each)}`);
    const more = missing.length > MAX_SHOWN ? ` and ${missing.length - MAX_SHOWN} more` : '';
    throw new EvaluationError(
      'import-unknown',
      `the module imports what is not offered to policies: ${shown.join(', ')}${more}`,
    );
  }
  const mismatch = mismatchedImport(bytes, imports, (each) => signatureOf(offer, each) ?? '>');
  if (mismatch !== undefined) {
    throw new EvaluationError(
      'import-unknown',
      `the module imports ${mismatch} with a type other than the one offered`,
    );
  }
}

const MAX_SHOWN = 20;

function kindNote({ kind }: WebAssembly.ModuleImportDescriptor): string {
  return kind === 'function' ? '' : ` (${kind})`;
}

function signatureOf(offer: Offer, { module, name }: WebAssembly.ModuleImportDescriptor): Signature | undefined {
  const signatures = offer.get(module)?.signatures;
  return signatures !== undefined && Object.hasOwn(signatures, name) ? signatures[name] : undefined;
}

/** Wraps what this module imports, and nothing else, for one instance. */
export function linkImports(
  guest: Guest,
  imports: readonly WebAssembly.ModuleImportDescriptor[],
  offer: Offer,
  functions: HostFunctions,
): WebAssembly.Imports {
  const linked: WebAssembly.Imports = Object.create(null);
  for (const [module, make] of functions) {
    const wanted = imports.filter((each) => each.module === module);
    if (wanted.length > 0) linked[module] = linkModule(guest, wanted, offer.get(module), make());
  }
  return linked;
}

function linkModule(
  guest: Guest,
  wanted: readonly WebAssembly.ModuleImportDescriptor[],
  offered: OfferedModule | undefined,
  functions: Readonly<Record<string, HostFunction>>,
): WebAssembly.ModuleImports {
  const linked: WebAssembly.ModuleImports = Object.create(null);
  for (const { name } of wanted) {
    const run = functions[name];
    if (run === undefined) continue;
    linked[name] = offered?.suspending.includes(name) === true ? guest.suspending(run) : guest.immediate(run);
  }
  return linked;
}
