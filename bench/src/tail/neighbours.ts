import { guestModule, watModule } from '@portcullis/testkit';
import { withMetadata } from '../modules/policy-metadata.ts';
import type { PolicyEntry } from '../servers/portcullis.ts';

const SLEEP_MS = 500;

const POLICIES = {
  sleeping: { module: 'sleeping' },
  looping: { module: 'guest', settings: { behaviour: 'loop' } },
  leaking: { module: 'guest', settings: { behaviour: 'leak' } },
} as const satisfies Record<string, PolicyEntry>;

/** Who stands beside the policy that is measured, and how many clients ask it without a pause. */
export interface Neighbour {
  readonly name: string;
  readonly policy: keyof typeof POLICIES;
  readonly clients: number;
}

export const NEIGHBOURS: readonly Neighbour[] = [
  { name: 'sleeping, 8 clients', policy: 'sleeping', clients: 8 },
  { name: 'looping, 1 client', policy: 'looping', clients: 1 },
  { name: 'looping, 2 clients', policy: 'looping', clients: 2 },
  { name: 'looping, 8 clients', policy: 'looping', clients: 8 },
  { name: 'leaking, 2 clients', policy: 'leaking', clients: 2 },
];

export const NEIGHBOUR_POLICIES: Readonly<Record<string, PolicyEntry>> = POLICIES;

export async function neighbourModules(): Promise<Record<string, Uint8Array>> {
  return { guest: await guestModule('wapc-rust'), sleeping: withMetadata(await sleepingModule(), 'kubewarden-wapc') };
}

/**
 * A waPC guest that sleeps in `validate` (operations are told apart by the length of their names) through WASI's poll_oneoff: one
 * subscription of 48 bytes at 1024, to the monotonic clock, relative, in nanoseconds.
 */
function sleepingModule(): Promise<Uint8Array> {
  return watModule(`(module
    (import "wapc" "__guest_request" (func $request (param i32 i32)))
    (import "wapc" "__guest_response" (func $respond (param i32 i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "{\\"accepted\\":true}")
    (data (i32.const 32) "{\\"valid\\":true}")
    (data (i32.const 64) "\\"v1\\"")
    (func (export "__guest_call") (param $operation i32) (param $payload i32) (result i32)
      (if (i32.eq (local.get $operation) (i32.const 17))
        (then (call $respond (i32.const 32) (i32.const 14)) (return (i32.const 1))))
      (if (i32.eq (local.get $operation) (i32.const 16))
        (then (call $respond (i32.const 64) (i32.const 4)) (return (i32.const 1))))
      (i32.store (i32.const 1040) (i32.const 1))
      (i64.store (i32.const 1048) (i64.const ${SLEEP_MS * 1_000_000}))
      (drop (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 3072)))
      (call $respond (i32.const 0) (i32.const 17))
      (i32.const 1)))`);
}
