import type { GuestInput, GuestOperation } from '../runtime.ts';

const encoder = new TextEncoder();
const BEFORE_REQUEST = encoder.encode('{"request":');
const BEFORE_SETTINGS = encoder.encode(',"settings":');
const CLOSE = encoder.encode('}');

/** The bytes a guest gets for an operation. The parts are spliced, never parsed: number spelling and key order stay. */
export function payloadFor(operation: GuestOperation, input: GuestInput): Uint8Array {
  switch (operation) {
    case 'validate':
      return concatenate([BEFORE_REQUEST, input.request, BEFORE_SETTINGS, input.settings, CLOSE]);
    case 'validate_settings':
      return input.settings;
    case 'protocol_version':
      return new Uint8Array();
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
