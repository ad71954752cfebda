import { readFile, stat } from 'node:fs/promises';
import { ServerError, systemErrorText } from '../../errors.ts';
import type { PoliciesEntry } from './entry.ts';
import type { Problem } from './located.ts';
import { parsePolicies } from './policies.ts';

/** The policies to serve. */
export interface LoadedPolicies {
  /** The file they were read from. */
  readonly path: string;
  readonly entries: readonly PoliciesEntry[];
  /** Oddities worth a line in the log. */
  readonly warnings: readonly string[];
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Reads policies.yml.
 *
 * @throws ServerError that lists every problem of the file with line and column
 */
export async function loadPolicies(path: string): Promise<LoadedPolicies> {
  const { entries, problems, warnings } = parsePolicies(await readText(path));
  if (problems.length > 0) throw problemReport(path, problems);
  return { path, entries, warnings: warnings.map((warning) => formatProblem(path, warning)) };
}

function problemReport(path: string, problems: readonly Problem[]): ServerError {
  const inOrder = problems.toSorted(
    (a, b) => a.position.line - b.position.line || a.position.column - b.position.column,
  );
  const details = inOrder.map((problem) => formatProblem(path, problem));
  const head = `error while loading policies from "${path}"`;
  if (details.length === 1) return new ServerError('policies-invalid', `${head}: ${details.join('')}`);
  return new ServerError('policies-invalid', `${head}: ${details.length} problems, listed above`, { details });
}

/** `policies.yml:3:5: message`, which editors and terminals turn into a link. */
export function formatProblem(path: string, { position, message }: Problem): string {
  return `${path}:${position.line}:${position.column}: ${message}`;
}

async function readText(path: string): Promise<string> {
  const fail = (reason: string, cause?: unknown): ServerError =>
    new ServerError('policies-unreadable', `error while loading policies from "${path}": ${reason}`, { cause });
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw fail(`expected at most ${MAX_FILE_BYTES} bytes, got ${size}`);
    bytes = await readFile(path);
  } catch (error) {
    throw error instanceof ServerError ? error : fail(systemErrorText(error), error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw fail('expected UTF-8 text', error);
  }
}
