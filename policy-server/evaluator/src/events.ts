import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ExecutionMode } from '@portcullis/protocol';
import type { GuestOperation, InstanceReport } from './runtimes/runtime.ts';

/**
 * What is said on each channel. Listen with {@link onEvaluatorEvent}, or with `node:diagnostics_channel` under the name
 * `portcullis:<key>`.
 */
export interface EvaluatorEvents {
  /** A module was compiled; once per digest and mode. */
  readonly prepared: {
    readonly sha256: string;
    readonly mode: ExecutionMode;
    readonly sizeBytes: number;
    readonly durationMs: number;
  };
  /** A policy was run on every thread before anybody waits for it. */
  readonly warmed: {
    readonly policyId: string;
    readonly sha256: string;
    readonly mode: ExecutionMode;
    readonly instances: InstanceReport;
    readonly durationMs: number;
  };
  /** An evaluation waits because no thread is free. */
  readonly queued: { readonly policyId: string; readonly operation: GuestOperation; readonly ahead: number };
  /** An evaluation was given to a thread; `attempt` > 1 = again, because it gave way or its thread was taken from it. */
  readonly started: {
    readonly policyId: string;
    readonly operation: GuestOperation;
    readonly threadId: number;
    readonly attempt: number;
  };
  /** The host has answered a guest. */
  readonly 'host-called': {
    readonly policyId: string;
    readonly namespace: string;
    readonly operation: string;
    readonly durationMs: number;
    readonly failed: boolean;
  };
  /** A guest wrote to its log, its stderr or its console. */
  readonly 'guest-logged': {
    readonly policyId: string;
    readonly uid: string;
    readonly level: 'debug' | 'info' | 'warn';
    readonly message: string;
  };
  /** An evaluation has its outcome; `waitedMs` was spent waiting for the host. */
  readonly finished: {
    readonly policyId: string;
    readonly operation: GuestOperation;
    readonly outcome: string;
    readonly durationMs: number;
    readonly waitedMs: number;
  };
  /** A guest was cut at its deadline. */
  readonly 'timed-out': {
    readonly policyId: string;
    readonly operation: GuestOperation;
    /** `true` = it occupied its thread, `false` = it waited for the host. */
    readonly occupiedThread: boolean;
  };
  /** A guest held its thread for long while another policy waited; it is stopped, and starts over later. */
  readonly preempted: {
    readonly policyId: string;
    readonly operation: GuestOperation;
    readonly threadId: number;
    readonly ranMs: number;
  };
  /** A guest that was told to stop has left its thread, `tookMs` later; the thread goes on with others. */
  readonly stopped: {
    readonly policyId: string;
    readonly operation: GuestOperation;
    readonly threadId: number;
    readonly reason: 'deadline' | 'preempted' | 'nobody-waits' | 'held-up';
    readonly tookMs: number;
  };
  /** A policy occupied a thread until its deadline: it has one thread at most from now on. */
  readonly confined: { readonly policyId: string };
  /** It has behaved since, and shares all threads with the others again. */
  readonly released: { readonly policyId: string };
  /** A worker thread was given up, the last resort against a guest that does not stop; `runAgain` evaluations that shared it start over elsewhere. */
  readonly 'thread-replaced': {
    readonly threadId: number;
    readonly policyId: string | undefined;
    readonly reason: 'deadline' | 'crash';
    readonly runAgain: number;
  };
}

/** Says something on a channel; costs next to nothing while nobody listens. */
export function publish<Name extends keyof EvaluatorEvents>(name: Name, event: EvaluatorEvents[Name]): void {
  const target = channel(channelName(name));
  if (target.hasSubscribers) target.publish(event);
}

/** Listens on a channel until disposed. Evaluators of one process share their channels. */
export function onEvaluatorEvent<Name extends keyof EvaluatorEvents>(
  name: Name,
  listener: (event: EvaluatorEvents[Name]) => void,
): Disposable {
  // The channel's name fixes the type of what is published on it.
  const onMessage = (message: unknown): void => listener(message as EvaluatorEvents[Name]);
  subscribe(channelName(name), onMessage);
  return { [Symbol.dispose]: () => void unsubscribe(channelName(name), onMessage) };
}

function channelName(name: keyof EvaluatorEvents): string {
  return `portcullis:${name}`;
}
