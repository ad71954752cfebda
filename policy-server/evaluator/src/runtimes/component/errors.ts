import { EvaluationError, type EvaluationErrorCode } from '../../errors.ts';

/** How a policy is built so that it imports nothing but the host interface. */
const BUILD_ADVICE =
  'build it with `jco componentize … --backend quickjs --backend-qjs-disable-async --backend-qjs-stub-wasi`, or with `--disable all` on the StarlingMonkey backend';

/** A component that cannot be run; `message` says what was expected. */
export function invalidComponent(message: string, cause?: unknown): EvaluationError {
  return refusal('module-invalid', message, cause);
}

/** Imports beyond the host interface: a policy gets no clock, no files, no network and no randomness of its own. */
export function unknownImports(names: readonly string[], expected: string): EvaluationError {
  return refusal(
    'import-unknown',
    `the component imports ${names.map(quoted).join(', ')}; a policy may import ${quoted(expected)} only: ${BUILD_ADVICE}`,
  );
}

/** Start code of a component that failed. */
export function initialisationFailed(cause: unknown): EvaluationError {
  return refusal('initialisation-failed', `the component could not be started: ${thrownText(cause)}`, cause);
}

/** The text of whatever was thrown. Errors of the glue belong to another realm, so `instanceof` does not know them. */
export function thrownText(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown && typeof thrown.message === 'string') {
    return thrown.message;
  }
  return 'unknown error';
}

function quoted(name: string): string {
  return `\`${name}\``;
}

function refusal(code: EvaluationErrorCode, message: string, cause?: unknown): EvaluationError {
  return new EvaluationError(code, message, cause === undefined ? undefined : { cause });
}
