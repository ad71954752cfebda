import { JsonReader, type JsonReadOptions } from './reader.ts';
import type { JsonValue } from './value.ts';

/**
 * Parses one JSON text. Of duplicate keys the last one wins; lone surrogates, invalid UTF-8, numbers beyond a 64-bit
 * float, too many levels and text after the value are refused.
 *
 * @throws {@link JsonError} with code `syntax` and the text and position serde_json would give.
 */
export function parseJson(input: Uint8Array | string, options: JsonReadOptions = {}): JsonValue {
  const reader = new JsonReader(input, options);
  const value = reader.readValue();
  reader.end();
  return value;
}
