import type { GroupEntry, PolicyEntry } from './entry.ts';
import { parsePolicies } from './policies.ts';

export function problems(text: string): string[] {
  return parsePolicies(text).problems.map(({ position: { line, column }, message }) => `${line}:${column} ${message}`);
}

export function policy(text: string): PolicyEntry {
  const { entries, problems } = parsePolicies(text);
  const [entry] = entries;
  if (problems.length > 0 || entry?.kind !== 'policy') throw new Error(JSON.stringify({ problems, entry }));
  return entry;
}

export function group(text: string): GroupEntry {
  const { entries, problems } = parsePolicies(text);
  const [entry] = entries;
  if (problems.length > 0 || entry?.kind !== 'group') throw new Error(JSON.stringify({ problems, entry }));
  return entry;
}
