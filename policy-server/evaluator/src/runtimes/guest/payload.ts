import type { GuestInput, GuestOperation } from '../runtime.ts';

const encoder = new TextEncoder();
const BEFORE_REQUEST = encoder.encode('{"request":');
const BEFORE_SETTINGS = encoder.encode(',"settings":');
const CLOSE = encoder.encode('}');

/**
 * The bytes a guest gets for an operation, in parts that follow each other. They are spliced, never parsed: number spelling and
 * key order stay.
 */
export function payloadParts(operation: GuestOperation, input: GuestInput): readonly Uint8Array[] {
  switch (operation) {
    case 'validate':
      return [BEFORE_REQUEST, input.request, BEFORE_SETTINGS, input.settings, CLOSE];
    case 'validate_settings':
      return [input.settings];
    case 'protocol_version':
      return [];
  }
}

export function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((size, part) => size + part.length, 0);
}

/** The parts in one piece. */
export function payloadFor(operation: GuestOperation, input: GuestInput): Uint8Array {
  const parts = payloadParts(operation, input);
  const out = new Uint8Array(sizeOf(parts));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
