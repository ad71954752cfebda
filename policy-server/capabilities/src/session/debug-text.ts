import type { CapabilityRequest } from '../request.ts';
import { REQUEST_MEMBERS, type MemberType, type Members } from '../request-schema.ts';
import { sortedMap, sortedSet } from './request-text.ts';

/** A request as Rust's `{:?}` shows it; policy authors know mismatches in this form. */
export function debugRequest(request: CapabilityRequest): string {
  return debugStruct(request.type, request, REQUEST_MEMBERS[request.type]);
}

function debugStruct(name: string, source: object, members: Members): string {
  const values = new Map<string, unknown>(Object.entries(source));
  const fields = members.map(([key, type]) => `${key}: ${debugValue(values.get(key), type)}`);
  return `${name} { ${fields.join(', ')} }`;
}

function debugValue(value: unknown, type: MemberType): string {
  if (typeof type === 'object') return debugCompound(value, type);
  if (type === 'string') return debugString(String(value));
  if (type === 'string-set') return `{${sortedSet(value).map(debugString).join(', ')}}`;
  if (type !== 'string-map') return String(value);
  const entries = Array.from(sortedMap(value), ([key, text]) => `${debugString(key)}: ${debugString(text)}`);
  return `{${entries.join(', ')}}`;
}

function debugCompound(value: unknown, type: Exclude<MemberType, string>): string {
  if ('optional' in type) {
    return value === undefined || value === null ? 'None' : `Some(${debugValue(value, type.optional)})`;
  }
  if ('list' in type) {
    const items: unknown[] = Array.isArray(value) ? value : [];
    return `[${items.map((item) => debugValue(item, type.list)).join(', ')}]`;
  }
  if ('names' in type) return String(value);
  return debugStruct(type.struct, typeof value === 'object' && value !== null ? value : {}, type.members);
}

const SHORT_ESCAPES = new Map([
  ['"', '\\"'],
  ['\\', '\\\\'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\0', '\\0'],
]);

/** What Rust does not print as it is: controls, unassigned characters, separators other than space, combining marks. */
const ESCAPED = /["\\\p{C}\p{Zl}\p{Zp}\p{Mn}\p{Me}]|(?! )\p{Zs}/gu;

/** A string as Rust's `{:?}` shows it. */
export function debugString(text: string): string {
  const escaped = text.replace(
    ESCAPED,
    (char) => SHORT_ESCAPES.get(char) ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return `"${escaped}"`;
}
