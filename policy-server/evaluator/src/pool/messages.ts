import type { MessagePort } from 'node:worker_threads';
import type { AdmissionResponse, ExecutionMode, HostCall, SettingsValidationResponse } from '@portcullis/protocol';
import type {
  CompiledPolicy,
  GuestInput,
  GuestLimits,
  GuestOperation,
  InstanceMode,
  InstanceReport,
} from '../runtimes/runtime.ts';

// Every message between the main thread and a worker thread. What concerns the thread travels as a task of piscina; evaluations and
// all they say travel over a channel of the thread's own, which costs half of what a task costs (`pnpm bench hop`).

/** Main → worker, as a task: the first thing a thread is told. */
export interface OpenTask {
  readonly kind: 'open';
  readonly port: MessagePort;
  /** Where the turns are written down, see `Turns`. */
  readonly control: WebAssembly.Memory;
  readonly limits: GuestLimits;
  readonly instances: InstanceMode;
}

/** Main → worker, over the thread's channel: one attempt at one evaluation. */
export interface EvaluateTask {
  readonly kind: 'evaluate';
  /** Names this attempt in all messages about it; never used again. */
  readonly evaluationId: number;
  readonly seat: number;
  readonly moduleKey: string;
  readonly mode: ExecutionMode;
  /** The shared compiled module, for a thread that was never given it. */
  readonly compiled: CompiledPolicy | undefined;
  readonly operation: GuestOperation;
  readonly input: GuestInput;
  readonly uid: string;
}

/** Main → worker, as a task: how does this thread bring evaluations of a module to their image? */
export interface ReportTask {
  readonly kind: 'report';
  readonly moduleKey: string;
}

export type ThreadTask = OpenTask | ReportTask;

/** Worker → main: what a task came to; nothing is said about the opening of a thread. */
export type TaskResult = InstanceReport | undefined;

/** Worker → main: what became of an attempt. */
export type EvaluateOutcome =
  | { readonly kind: 'validated'; readonly response: AdmissionResponse }
  | { readonly kind: 'settings-validated'; readonly response: SettingsValidationResponse }
  | { readonly kind: 'protocol-version'; readonly version: 'v1' }
  /** Start code failed: there was no evaluator to ask. */
  | { readonly kind: 'not-initialised'; readonly message: string }
  /** The thread could not make the module ready. */
  | { readonly kind: 'not-prepared'; readonly message: string }
  /** The answer to anything but a validation could not be understood. */
  | { readonly kind: 'answer-invalid'; readonly message: string }
  /** It was given up while it waited for the host, or before it began. */
  | { readonly kind: 'abandoned' }
  /** It was told to stop while it was on the thread. */
  | { readonly kind: 'stopped' };

/** Worker → main, over the thread's channel. */
export type MessageToHost =
  | { readonly kind: 'outcome'; readonly evaluationId: number; readonly outcome: EvaluateOutcome }
  | MessageFromGuest;

/** What a guest says or asks in the middle of its evaluation. */
export type MessageFromGuest =
  | { readonly kind: 'host-call'; readonly evaluationId: number; readonly call: HostCall }
  | { readonly kind: 'sleep'; readonly evaluationId: number; readonly ms: number }
  | {
      readonly kind: 'log';
      readonly evaluationId: number;
      readonly level: 'debug' | 'info' | 'warn';
      readonly message: string;
    };

/** Main → worker, over the thread's channel. */
export type MessageToThread = EvaluateTask | HostReplyMessage;

/** What an evaluation that waits for the host is told. */
export type HostReplyMessage =
  | { readonly kind: 'answer'; readonly evaluationId: number; readonly bytes: Uint8Array }
  | { readonly kind: 'failure'; readonly evaluationId: number; readonly message: string }
  | { readonly kind: 'abandon'; readonly evaluationId: number };

/**
 * A copy that owns exactly its bytes. Posting a view posts the whole buffer beneath it, and what a guest hands out is often a view
 * on its whole memory.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
