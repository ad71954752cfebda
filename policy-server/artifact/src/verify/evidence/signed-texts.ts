import { JsonNumber, type JsonValue } from '@portcullis/protocol';

/** What was signed along with a digest: strings, numbers and booleans by their text. Other values can meet no requirement. */
export function signedTexts(values: ReadonlyMap<string, JsonValue>): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [name, value] of values) {
    if (typeof value === 'string') texts.set(name, value);
    else if (typeof value === 'boolean') texts.set(name, String(value));
    else if (value instanceof JsonNumber) texts.set(name, value.text);
  }
  return texts;
}
