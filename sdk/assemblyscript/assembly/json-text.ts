import { JSON } from "json-as";

// Values are read and replaced inside the JSON text itself. What a policy does not touch stays as it was, byte for byte:
// unknown fields, integers beyond 2^53, the spelling of numbers.

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, OPEN_LIST = 0x5b, BACKSLASH = 0x5c, CLOSE_LIST = 0x5d, OPEN = 0x7b, CLOSE = 0x7d;

/** Where a member of an object or an element of a list stands in the text. */
class Place {
  /** First character of the key, or of the element; where to insert if it was not found. */
  start: i32 = 0;
  valueStart: i32 = 0;
  valueEnd: i32 = 0;
  /** The comma before it, or -1. */
  commaBefore: i32 = -1;
  /** Members before it; all of them if it was not found. */
  before: i32 = 0;
  found: bool = false;
}

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
    const place = find(text, start, path[i]);
    if (!place.found) return null;
    start = place.valueStart;
    end = place.valueEnd;
  }
  return text.substring(start, end);
}

/** The string at `path`, or null if there is none or it is not a string. */
export function jsonGetString(text: string, path: string[]): string | null {
  const value = jsonGet(text, path);
  return value !== null && value.charCodeAt(0) == QUOTE ? JSON.parse<string>(value) : null;
}

/** How many elements the list at `path` has; 0 if there is none. */
export function jsonLength(text: string, path: string[]): i32 {
  const list = jsonGet(text, path);
  if (list === null || list.charCodeAt(0) != OPEN_LIST) return 0;
  return find(list, 0, "").before;
}

/**
 * The text with `value`, itself JSON, at `path`. Objects on the way that are missing or null are made. An index equal to the
 * length of a list appends to it.
 */
export function jsonSet(text: string, path: string[], value: string): string {
  let start = skipSpace(text, 0);
  let end = skipValue(text, start);
  for (let i = 0; i < path.length; i++) {
    if (isNull(text, start)) return splice(text, start, end, nest(path, i, value));
    const place = find(text, start, path[i]);
    if (!place.found) return insert(text, start, place, path, i, value);
    start = place.valueStart;
    end = place.valueEnd;
  }
  return splice(text, start, end, value);
}

/** The text without the member or element at `path`; as it was if there is none. */
export function jsonRemove(text: string, path: string[]): string {
  let start = skipSpace(text, 0);
  for (let i = 0; i < path.length; i++) {
    const place = find(text, start, path[i]);
    if (!place.found) return text;
    start = place.valueStart;
    if (i == path.length - 1) return withoutPlace(text, place);
  }
  return text;
}

function withoutPlace(text: string, place: Place): string {
  if (place.commaBefore >= 0) return splice(text, place.commaBefore, place.valueEnd, "");
  const next = skipSpace(text, place.valueEnd);
  const comma = next < text.length && text.charCodeAt(next) == COMMA;
  return splice(text, place.start, comma ? next + 1 : place.valueEnd, "");
}

function insert(text: string, container: i32, place: Place, path: string[], depth: i32, value: string): string {
  const comma = place.before > 0 ? "," : "";
  const rest = depth + 1 < path.length ? nest(path, depth + 1, value) : value;
  if (text.charCodeAt(container) == OPEN) {
    return splice(text, place.start, place.start, comma + quote(path[depth]) + ":" + rest);
  }
  if (path[depth] != place.before.toString()) throw new Error("no index " + path[depth] + " in a list of " + place.before.toString());
  return splice(text, place.start, place.start, comma + rest);
}

/** `value` wrapped in the objects that `path` names from `depth` on. */
function nest(path: string[], depth: i32, value: string): string {
  let out = value;
  for (let i = path.length - 1; i >= depth; i--) out = "{" + quote(path[i]) + ":" + out + "}";
  return out;
}

/** Looks for a key in the object, or an index in the list, that starts at `container`. */
function find(text: string, container: i32, key: string): Place {
  const open = container < text.length ? text.charCodeAt(container) : 0;
  if (open != OPEN && open != OPEN_LIST) throw new Error("there is nothing at " + quote(key) + ": neither object nor list");
  const close = open == OPEN ? CLOSE : CLOSE_LIST;
  const place = new Place();
  let at = skipSpace(text, container + 1);
  while (at < text.length && text.charCodeAt(at) != close) {
    place.start = at;
    let matches = open == OPEN_LIST && key == place.before.toString();
    if (open == OPEN) {
      const keyEnd = skipString(text, at);
      matches = keyMatches(text, at, keyEnd, key);
      at = skipSpace(text, skipMark(text, skipSpace(text, keyEnd), COLON));
    }
    place.valueStart = at;
    place.valueEnd = at = skipValue(text, at);
    if (matches) {
      place.found = true;
      return place;
    }
    place.before++;
    const next = skipSpace(text, at);
    if (next < text.length && text.charCodeAt(next) == COMMA) {
      place.commaBefore = next;
      at = skipSpace(text, next + 1);
    } else {
      at = next;
      break;
    }
  }
  skipMark(text, at, close);
  place.start = at;
  return place;
}

function keyMatches(text: string, start: i32, end: i32, key: string): bool {
  const raw = text.substring(start + 1, end - 1);
  return raw == key || (raw.includes("\\") && JSON.parse<string>(text.substring(start, end)) == key);
}

function isNull(text: string, at: i32): bool {
  return text.startsWith("null", at);
}

function splice(text: string, start: i32, end: i32, replacement: string): string {
  return text.substring(0, start) + replacement + text.substring(end);
}

function skipSpace(text: string, from: i32): i32 {
  let at = from;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char != 0x20 && char != 0x0a && char != 0x0d && char != 0x09) break;
    at++;
  }
  return at;
}

function skipMark(text: string, at: i32, mark: i32): i32 {
  if (at >= text.length || text.charCodeAt(at) != mark) throw malformed(at);
  return at + 1;
}

/** From the opening quote to behind the closing one. */
function skipString(text: string, from: i32): i32 {
  for (let at = skipMark(text, from, QUOTE); at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char == BACKSLASH) at++;
    else if (char == QUOTE) return at + 1;
  }
  throw malformed(from);
}

/** From the first character of a value to behind its last; containers are counted, not entered, so depth costs no stack. */
function skipValue(text: string, from: i32): i32 {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char == QUOTE) {
      at = skipString(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (char == OPEN || char == OPEN_LIST) depth++;
    else if (char == CLOSE || char == CLOSE_LIST) {
      if (depth == 0) break;
      if (--depth == 0) return at + 1;
    } else if (depth == 0 && (char == COMMA || char <= 0x20)) break;
    at++;
  }
  if (depth > 0 || at == from) throw malformed(from);
  return at;
}

function malformed(at: i32): Error {
  return new Error("malformed JSON at character " + at.toString());
}
