import type wabtFactory from 'wabt';

type Wabt = Awaited<ReturnType<typeof wabtFactory>>;

let wabt: Promise<Wabt> | undefined;

const FEATURES = {
  mutable_globals: true,
  bulk_memory: true,
  sign_extension: true,
  multi_value: true,
  reference_types: true,
  sat_float_to_int: true,
  simd: true,
  threads: true,
  exceptions: true,
  tail_call: true,
};

/**
 * Assembles a WebAssembly module from its text format.
 *
 * @throws Error with wabt's line-numbered message when the text does not parse or validate.
 */
export async function watModule(wat: string): Promise<Uint8Array> {
  wabt ??= startWabt();
  const parsed = (await wabt).parseWat('module.wat', wat, FEATURES);
  try {
    parsed.resolveNames();
    parsed.validate();
    return Uint8Array.from(parsed.toBinary({ write_debug_names: true }).buffer);
  } finally {
    parsed.destroy();
  }
}

/** Loaded when first asked for: most tests that import this package assemble nothing. */
async function startWabt(): Promise<Wabt> {
  const { default: start } = await import('wabt');
  return start();
}
