const SECTION_NAME = 'io.kubewarden.metadata';
const RULES = [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], operations: ['*'] }];

export type GuestMode = 'kubewarden-wapc' | 'wasi' | 'opa';

/** The module with the metadata without which no server would take it, as a last custom section. */
export function withMetadata(module: Uint8Array, executionMode: GuestMode): Uint8Array {
  const protocolVersion = executionMode === 'kubewarden-wapc' ? 'v1' : 'Unknown';
  const metadata = { protocolVersion, rules: RULES, mutating: false, executionMode };
  const name = Buffer.from(SECTION_NAME);
  const content = Buffer.concat([leb128(name.length), name, Buffer.from(JSON.stringify(metadata))]);
  return Buffer.concat([module, Buffer.from([0]), leb128(content.length), content]);
}

/** An unsigned integer in LEB128 (WebAssembly core specification, 5.2.2). */
function leb128(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.from(bytes);
}
