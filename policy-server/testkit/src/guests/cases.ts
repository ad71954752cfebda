import type { GuestName } from './recipes.ts';

/** What every way of running a policy (HTTP, command line) must answer to one behaviour of one guest. */
export interface GuestCase {
  readonly guest: GuestName;
  /** `clean-slate`: the guest counts its evaluations and must never get beyond the first. */
  readonly behaviour: 'accept' | 'reject' | 'mutate' | 'clean-slate' | 'settings-invalid' | 'trap' | 'timeout';
  readonly settings: Readonly<Record<string, unknown>>;
  readonly expected: ExpectedVerdict | ExpectedRefusal;
}

export interface ExpectedVerdict {
  readonly kind: 'verdict';
  readonly allowed: boolean;
  readonly message?: string | RegExp;
  readonly code?: number;
  /** JSON Patch before base64. */
  readonly patch?: string;
}

/** The policy must not be served: its settings are refused with this text. */
export interface ExpectedRefusal {
  readonly kind: 'settings-invalid';
  readonly message: string;
}

const LABEL_PATCH = '[{"op":"add","path":"/metadata/labels/guest","value":"mutated"}]';
const TIMEOUT = 'Policy execution interrupted because it exceeded the allowed execution time';
const WAPC_TRAP = /^internal server error: Guest call failure: error while executing at wasm backtrace:\n {4}0: /;

/** How each mode's guest fails when it crashes; Rego cannot trap, there a failing builtin ends the evaluation. */
const CRASH: Readonly<Record<GuestName, { behaviour: string; message: RegExp }>> = {
  'wapc-rust': { behaviour: 'trap', message: WAPC_TRAP },
  'wapc-assemblyscript': { behaviour: 'trap', message: /^internal server error: Guest call failure: / },
  'wasi-go': { behaviour: 'trap', message: /nil pointer dereference/ },
  component: { behaviour: 'trap', message: /^internal server error: Guest call failure: / },
  'rego-opa': { behaviour: 'error', message: /Builtin error \["hex\.decode"\]/ },
  'rego-gatekeeper': { behaviour: 'error', message: /Builtin error \["hex\.decode"\]/ },
};

/** Gatekeeper policies have no way to mutate, Rego policies none to validate their settings or to remember anything. */
function knows(guest: GuestName, behaviour: GuestCase['behaviour']): boolean {
  if (behaviour === 'mutate') return guest !== 'rego-gatekeeper';
  return !guest.startsWith('rego-') || (behaviour !== 'settings-invalid' && behaviour !== 'clean-slate');
}

function casesOf(guest: GuestName): GuestCase[] {
  const crash = CRASH[guest];
  const code = guest === 'rego-gatekeeper' ? {} : { code: 418 };
  const all: Omit<GuestCase, 'guest'>[] = [
    { behaviour: 'accept', settings: {}, expected: { kind: 'verdict', allowed: true } },
    {
      behaviour: 'reject',
      settings: { behaviour: 'reject', message: 'not "here" – näh', code: 418 },
      expected: { kind: 'verdict', allowed: false, message: 'not "here" – näh', ...code },
    },
    { behaviour: 'mutate', settings: { behaviour: 'mutate' }, expected: { kind: 'verdict', allowed: true, patch: LABEL_PATCH } },
    {
      behaviour: 'clean-slate',
      settings: { behaviour: 'counter' },
      expected: { kind: 'verdict', allowed: false, message: '1' },
    },
    {
      behaviour: 'settings-invalid',
      settings: { valid: false, message: 'first line\nsecond line' },
      expected: { kind: 'settings-invalid', message: 'first line\nsecond line' },
    },
    {
      behaviour: 'trap',
      settings: { behaviour: crash.behaviour },
      expected: { kind: 'verdict', allowed: false, message: crash.message, code: 500 },
    },
    { behaviour: 'timeout', settings: { behaviour: 'loop' }, expected: { kind: 'verdict', allowed: false, message: TIMEOUT, code: 500 } },
  ];
  return all.filter(({ behaviour }) => knows(guest, behaviour)).map((one) => ({ guest, ...one }));
}

/** Every behaviour of every guest, in one table. */
export const GUEST_CASES: readonly GuestCase[] = (Object.keys(CRASH) as GuestName[]).flatMap(casesOf);
