import { type AdmissionReviewName, admissionReview, guestModule } from '@portcullis/testkit';
import { typescriptPolicy } from '../modules/typescript-policy.ts';

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
  'typescript/pod': { review: 'pod-create', module: () => typescriptPolicy('pod-privileged') },
  // The large object is no Pod.
  'typescript/large': {
    review: 'large-create',
    settings: REQUIRED_LABELS,
    module: () => typescriptPolicy('required-labels'),
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
