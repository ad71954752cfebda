import type { LoadedModule } from '@portcullis/artifact';
import {
  dataSegments,
  exportNames,
  isRegoModule,
  moduleKind,
  ModuleError,
  type ExecutionMode,
} from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';

/** What `-e` accepts, and the mode each name stands for. */
const MODES = new Map<string, ExecutionMode>([
  ['opa', 'opa'],
  ['gatekeeper', 'gatekeeper'],
  ['wasi', 'wasi'],
  ['kubewarden', 'kubewarden-wapc'],
  ['kubewarden-wapc', 'kubewarden-wapc'],
  ['component', 'component'],
]);

/** What can be told from the bytes of a module. */
type Nature = 'rego' | 'wapc' | 'wasi' | 'component' | 'unknown';

/**
 * Decides how a policy is run: by the command line, by its metadata, or by what it is. A choice that contradicts the
 * module or its metadata is refused: run with the wrong one of the two Rego modes, a policy would allow what it rejects.
 *
 * @throws KwctlError `execution-mode-invalid`
 */
export function resolveExecutionMode(policy: LoadedModule, flag?: string): ExecutionMode {
  const nature = natureOf(policy);
  const fromMetadata = policy.metadata?.executionMode;
  if (flag === undefined) return fromMetadata === undefined ? modeOf(nature) : checked(fromMetadata, nature, '');
  const mode = MODES.get(flag);
  if (mode === undefined) throw new KwctlError('execution-mode-invalid', unknownMode(flag));
  checked(mode, nature, ' specified via CLI flag');
  if (mode === 'gatekeeper' && fromMetadata === undefined) requireViolationEntrypoint(policy);
  if (fromMetadata !== undefined && fromMetadata !== mode) {
    throw new KwctlError(
      'execution-mode-invalid',
      `The policy execution mode specified via CLI flag is wrong: the policy's metadata says "${fromMetadata}", the flag says "${flag}"`,
    );
  }
  return mode;
}

function natureOf(policy: LoadedModule): Nature {
  try {
    if (moduleKind(policy.bytes) === 'component') return 'component';
    if (isRegoModule(policy.bytes)) return 'rego';
    const names = exportNames(policy.bytes);
    if (names.includes('__guest_call')) return 'wapc';
    return names.includes('_start') ? 'wasi' : 'unknown';
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error;
    throw new KwctlError('module-invalid', `invalid wasm file: ${policy.location}: ${error.message}`, { cause: error });
  }
}

/** Without metadata a policy is waPC, unless it is visibly something else. */
function modeOf(nature: Nature): ExecutionMode {
  if (nature === 'component') return 'component';
  if (nature === 'rego') {
    throw new KwctlError(
      'execution-mode-invalid',
      'The policy has been created with Rego, please specify which Opa runtime has to be used',
    );
  }
  if (nature === 'wasi') {
    throw new KwctlError(
      'execution-mode-invalid',
      'The policy has no metadata and is no waPC policy: Guest call function (__guest_call) not exported by wasm module. A WASI policy is run with -e wasi',
    );
  }
  return 'kubewarden-wapc';
}

function checked(mode: ExecutionMode, nature: Nature, origin: string): ExecutionMode {
  const isRegoMode = mode === 'opa' || mode === 'gatekeeper';
  const wrong = `the policy execution mode${origin} is wrong`;
  if (isRegoMode && nature !== 'rego') fail(`The policy has not been created with Rego, ${wrong}`);
  if (!isRegoMode && nature === 'rego') fail(`The policy has been created with Rego, ${wrong}`);
  if ((mode === 'component') !== (nature === 'component')) {
    fail(`The policy is ${nature === 'component' ? '' : 'not '}a WebAssembly component, ${wrong}`);
  }
  if (mode === 'wasi' && nature === 'wapc') fail(`The policy is a waPC policy, ${wrong}`);
  if (mode === 'kubewarden-wapc' && nature === 'wasi') fail(`The policy is a WASI policy, ${wrong}`);
  return mode;
}

const VIOLATION_ENTRYPOINT = '/violation\0';

/**
 * Nothing but its entrypoint tells a Gatekeeper policy from an OPA policy. Asked the wrong way, an OPA policy finds no
 * violation and everything is allowed.
 */
function requireViolationEntrypoint({ bytes }: LoadedModule): void {
  const names = dataSegments(bytes).map((segment) => Buffer.from(segment.buffer, segment.byteOffset, segment.length));
  if (names.some((segment) => segment.includes(VIOLATION_ENTRYPOINT))) return;
  fail(
    'The policy has no entrypoint named violation, as Gatekeeper policies have, the policy execution mode specified via CLI flag is wrong: an OPA policy is run with -e opa',
  );
}

function fail(message: string): never {
  throw new KwctlError('execution-mode-invalid', message);
}

function unknownMode(flag: string): string {
  const valid = Array.from(MODES.keys(), (name) => `"${name}"`).join(', ');
  return `Unknown policy execution mode "${flag}". Valid values are ${valid}`;
}
