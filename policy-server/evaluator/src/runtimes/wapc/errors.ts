import type { GuestAnswer, GuestFailure, GuestOperation } from '../runtime.ts';

export const NO_GUEST_CALL = 'Guest call function (__guest_call) not exported by wasm module.';
export const NO_MEMORY = 'Guest memory (memory) not exported by wasm module.';

/** What the guest said, or the host says for it, when `__guest_call` failed. */
export function guestCallFailure(operation: GuestOperation, reason: GuestFailure, text: string): GuestAnswer {
  switch (operation) {
    case 'validate':
      return { kind: 'failure', reason, message: `internal server error: Guest call failure: ${text}` };
    case 'validate_settings': {
      const message = `Error invoking settings validation callback: GuestCallFailure(${rustDebugString(text)})`;
      return { kind: 'failure', reason, message };
    }
    case 'protocol_version':
      return { kind: 'failure', reason, message: `Guest call failure: ${text}` };
  }
}

/** A limit of this server was broken: the guest did not fail, it was stopped. */
export function limitFailure(operation: GuestOperation, text: string): GuestAnswer {
  const where =
    operation === 'validate_settings' ? 'Error invoking settings validation callback' : 'internal server error';
  return { kind: 'failure', reason: 'limit', message: `${where}: ${text}` };
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\t': '\\t',
  '\r': '\\r',
  '\n': '\\n',
  '\0': '\\0',
  '"': '\\"',
  '\\': '\\\\',
};

/** Rust's `{:?}` of a string: operators and scripts know settings errors in this form. */
export function rustDebugString(text: string): string {
  const escaped = text.replaceAll(/["\\]|\p{C}|\p{Zl}|\p{Zp}|(?! )\p{Zs}|\p{Grapheme_Extend}/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return SHORT_ESCAPES[character] ?? `\\u{${code.toString(16)}}`;
  });
  return `"${escaped}"`;
}
