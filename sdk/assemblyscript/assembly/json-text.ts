import { JSON } from "json-as";
import { Members, skipSpace, skipValue } from "./json-members";

// Values are read and replaced inside the JSON text itself. What a policy does not touch stays as it was, byte for byte:
// unknown fields, integers beyond 2^53, the spelling of numbers.

/** A string as JSON: with its quotes, and escaped. */
export function quote(text: string): string {
  return JSON.stringify<string>(text);
}

/**
 * The JSON text of the value at `path`, or null if there is none. Segments of the path are keys, and for lists indexes:
 * `["spec", "containers", "0", "image"]`.
 */
export function jsonGet(text: string, path: string[]): string | null {
  let start = skipSpace(text, 0);
  let end = skipValue(text, start);
  for (let i = 0; i < path.length; i++) {
    const members = new Members(text, start);
    if (!members.find(path[i])) return null;
    start = members.valueStart;
    end = members.valueEnd;
  }
  return text.substring(start, end);
}

/** The string at `path`, or null if there is none or it is not a string. */
export function jsonGetString(text: string, path: string[]): string | null {
  const value = jsonGet(text, path);
  return value !== null && value.startsWith('"') ? JSON.parse<string>(value) : null;
}

/** How many elements the list at `path` has; 0 if there is none. */
export function jsonLength(text: string, path: string[]): i32 {
  const list = jsonGet(text, path);
  if (list === null || !list.startsWith("[")) return 0;
  const members = new Members(list, 0);
  while (members.next()) {}
  return members.count;
}

/** The keys of the object at `path`; none if there is no object. */
export function jsonKeys(text: string, path: string[]): string[] {
  const keys: string[] = [];
  const object = jsonGet(text, path);
  if (object === null || !object.startsWith("{")) return keys;
  const members = new Members(object, 0);
  while (members.next()) keys.push(members.key);
  return keys;
}

/**
 * The text with `value`, itself JSON, at `path`. Objects on the way that are missing or null are made. An index equal to the
 * length of a list appends to it.
 */
export function jsonSet(text: string, path: string[], value: string): string {
  let start = skipSpace(text, 0);
  let end = skipValue(text, start);
  for (let i = 0; i < path.length; i++) {
    if (text.startsWith("null", start)) return splice(text, start, end, nest(path.slice(i), value));
    const members = new Members(text, start);
    if (!members.find(path[i])) return insert(text, members, path[i], nest(path.slice(i + 1), value));
    start = members.valueStart;
    end = members.valueEnd;
  }
  return splice(text, start, end, value);
}

/** The text without the member or element at `path`; as it was if there is none. */
export function jsonRemove(text: string, path: string[]): string {
  let start = skipSpace(text, 0);
  for (let i = 0; i < path.length; i++) {
    const members = new Members(text, start);
    if (!members.find(path[i])) return text;
    if (i + 1 == path.length) return splice(text, members.removalStart, members.removalEnd, "");
    start = members.valueStart;
  }
  return text;
}

/** A new last member: `members` stands at the end of its container. */
function insert(text: string, members: Members, key: string, value: string): string {
  const comma = members.count > 0 ? "," : "";
  if (members.isObject) return splice(text, members.start, members.start, `${comma}${quote(key)}:${value}`);
  if (key != members.count.toString()) throw new Error(`no index ${key} in a list of ${members.count}`);
  return splice(text, members.start, members.start, comma + value);
}

/** `value` wrapped in the objects that `path` names. */
function nest(path: string[], value: string): string {
  let out = value;
  for (let i = path.length - 1; i >= 0; i--) out = `{${quote(path[i])}:${out}}`;
  return out;
}

function splice(text: string, start: i32, end: i32, replacement: string): string {
  return text.substring(0, start) + replacement + text.substring(end);
}
