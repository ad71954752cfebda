import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AdmissionReviewName, admissionReview, guestModule, runCommand } from '@portcullis/testkit';

const POLICIES = join(import.meta.dirname, '../../../policies');
const SDK_CLI = join(import.meta.dirname, '../../../sdk/typescript/src/cli.ts');

/** What kind of guest a module is. */
export type EngineMode = 'kubewarden-wapc' | 'wasi';

/** One module and one request: what all contenders are given alike. */
export interface EngineCase {
  readonly name: string;
  readonly mode: EngineMode;
  readonly module: Uint8Array;
  /** An AdmissionRequest in JSON. */
  readonly request: Uint8Array;
  readonly settings: string;
}

interface CaseDefinition {
  readonly review: AdmissionReviewName;
  readonly settings?: string;
  readonly mode?: EngineMode;
  module(): Promise<Uint8Array>;
}

const REQUIRED_LABELS = '{"labels":{"app":{}}}';

/** A Pod as kubectl makes it, and an object as large as the API server takes. */
const CASES = {
  'rust/pod': { review: 'pod-create', module: () => guestModule('wapc-rust') },
  'rust/large': { review: 'large-create', module: () => guestModule('wapc-rust') },
  'assemblyscript/pod': { review: 'pod-create', module: () => guestModule('wapc-assemblyscript') },
  'assemblyscript/large': { review: 'large-create', module: () => guestModule('wapc-assemblyscript') },
  'typescript/pod': { review: 'pod-create', module: () => builtPolicy('pod-privileged') },
  // The large object is no Pod.
  'typescript/large': {
    review: 'large-create',
    settings: REQUIRED_LABELS,
    module: () => builtPolicy('required-labels'),
  },
  'go/pod': { review: 'pod-create', mode: 'wasi', module: () => guestModule('wasi-go') },
  'go/large': { review: 'large-create', mode: 'wasi', module: () => guestModule('wasi-go') },
} as const satisfies Record<string, CaseDefinition>;

export const CASE_NAMES: readonly string[] = Object.keys(CASES);

/** @throws RangeError for a name that is not in {@link CASE_NAMES} */
export async function engineCase(name: string): Promise<EngineCase> {
  const definition = Object.entries<CaseDefinition>(CASES).find(([known]) => known === name)?.[1];
  if (definition === undefined) throw new RangeError(`no case ${name}`);
  const { request } = JSON.parse(new TextDecoder().decode(await admissionReview(definition.review)));
  return {
    name,
    mode: definition.mode ?? 'kubewarden-wapc',
    module: await definition.module(),
    request: new TextEncoder().encode(JSON.stringify(request)),
    settings: definition.settings ?? '{}',
  };
}

/** Built as its author builds it; the SDK keeps what it built before. */
async function builtPolicy(name: string): Promise<Uint8Array> {
  const cwd = join(POLICIES, name);
  await runCommand(process.execPath, [SDK_CLI, 'build'], { cwd });
  return readFile(join(cwd, 'build', 'policy.wasm'));
}
