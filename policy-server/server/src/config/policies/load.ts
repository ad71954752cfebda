import { systemErrorText } from '@portcullis/artifact';
import { readBounded } from '../../bounded-file.ts';
import { ServerError } from '../../errors.ts';
import type { PoliciesEntry } from './entry.ts';
import type { Problem } from './located.ts';
import { parsePolicies } from './policies.ts';

/** The policies to serve. */
export interface LoadedPolicies {
  readonly entries: readonly PoliciesEntry[];
  /** Oddities worth a line in the log. */
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  /** A group with a wrong expression does not keep the others from being served; it is left in, to be refused at registration. */
  readonly continueOnErrors: boolean;
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;

/**
 * Reads policies.yml.
 *
 * @throws ServerError that lists every problem of the file with line and column
 */
export async function loadPolicies(path: string, options: LoadOptions): Promise<LoadedPolicies> {
  const { entries, problems, expressionProblems, warnings } = parsePolicies(await readText(path));
  const isFatal = problems.length > 0 || !options.continueOnErrors;
  const fatal = isFatal ? [...problems, ...expressionProblems] : [];
  if (fatal.length > 0) throw problemReport(path, fatal);
  const oddities = [...expressionProblems, ...warnings];
  return { entries, warnings: oddities.map((oddity) => formatProblem(path, oddity)) };
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
function formatProblem(path: string, { position, message }: Problem): string {
  return `${path}:${position.line}:${position.column}: ${message}`;
}

async function readText(path: string): Promise<string> {
  const fail = (reason: string, cause?: unknown): ServerError =>
    new ServerError('policies-unreadable', `error while loading policies from "${path}": ${reason}`, { cause });
  let bytes: Uint8Array;
  try {
    bytes = await readBounded(path, MAX_FILE_BYTES);
  } catch (error) {
    throw fail(systemErrorText(error), error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw fail('expected UTF-8 text', error);
  }
}
