import wabtFactory from 'wabt';

let wabt: ReturnType<typeof wabtFactory> | undefined;

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
  wabt ??= wabtFactory();
  const parsed = (await wabt).parseWat('module.wat', wat, FEATURES);
  try {
    parsed.resolveNames();
    parsed.validate();
    return Uint8Array.from(parsed.toBinary({ write_debug_names: true }).buffer);
  } finally {
    parsed.destroy();
  }
}
