import { FIRST, KEY_END, KEY_START, NEXT, NONE, type TapeData } from './tape-entry.ts';

/** Up to here insertion is the fastest way, also because members come nearly sorted. */
const FEW = 16;

let members = new Int32Array(64);

/** The order of the UTF-8 bytes of two members' keys. */
export function compareKeys(bytes: Uint8Array, fields: Int32Array, a: number, b: number): number {
  let left = fields[a + KEY_START] ?? 0;
  let right = fields[b + KEY_START] ?? 0;
  const leftLength = (fields[a + KEY_END] ?? 0) - left;
  const rightLength = (fields[b + KEY_END] ?? 0) - right;
  for (const end = left + Math.min(leftLength, rightLength); left < end; left++, right++) {
    const difference = (bytes[left] ?? 0) - (bytes[right] ?? 0);
    if (difference !== 0) return difference;
  }
  return leftLength - rightLength;
}

/** Links the members of an object in the order of their keys; of duplicates the last one stays. Returns whether there were any. */
export function sortMembers({ bytes, fields }: TapeData, object: number): boolean {
  const count = collect(fields, object);
  // Both are stable: of two equal keys the later one stays the later one.
  if (count <= FEW) insertionSort(bytes, fields, count);
  else members.subarray(0, count).sort((a, b) => compareKeys(bytes, fields, a, b));
  let hasDuplicates = false;
  let next = NONE;
  for (let index = count - 1; index >= 0; index--) {
    const member = members[index] ?? 0;
    if (next !== NONE && compareKeys(bytes, fields, member, next) === 0) {
      hasDuplicates = true;
      continue;
    }
    fields[member + NEXT] = next;
    next = member;
  }
  fields[object + FIRST] = next;
  if (members.length > 65_536) members = new Int32Array(64);
  return hasDuplicates;
}

function collect(fields: Int32Array, object: number): number {
  let count = 0;
  for (let member = fields[object + FIRST] ?? NONE; member !== NONE; member = fields[member + NEXT] ?? NONE) {
    if (count === members.length) {
      const larger = new Int32Array(count * 2);
      larger.set(members);
      members = larger;
    }
    members[count++] = member;
  }
  return count;
}

function insertionSort(bytes: Uint8Array, fields: Int32Array, count: number): void {
  for (let index = 1; index < count; index++) {
    const member = members[index] ?? 0;
    let to = index;
    while (to > 0 && compareKeys(bytes, fields, members[to - 1] ?? 0, member) > 0) {
      members[to] = members[to - 1] ?? 0;
      to--;
    }
    members[to] = member;
  }
}
