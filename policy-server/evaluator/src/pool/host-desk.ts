import { messageOf } from '@portcullis/protocol';
import type { HostCall } from '@portcullis/protocol';
import { publish } from '../events.ts';
import { remainingMs } from './deadline.ts';
import type { Attempt } from './flight.ts';
import { type MessageFromGuest, ownBytes } from './messages.ts';

/** What a guest is told about its call. */
export type HostReply =
  | { readonly kind: 'answer'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'failure'; readonly message: string };

export interface HostDeskOptions {
  readonly maxHostCallBytes: number;
  readonly nowMs: () => number;
  readonly reply: (attempt: Attempt, reply: HostReply) => void;
}

/** The main thread's end of the way from guest to host: asks the host on the guest's behalf, or lets it sleep. */
export class HostDesk {
  readonly #options: HostDeskOptions;

  constructor(options: HostDeskOptions) {
    this.#options = options;
  }

  receive(attempt: Attempt, message: MessageFromGuest): void {
    const { policyId, uid } = attempt.flight.work;
    if (message.kind === 'log') {
      if (attempt.flight.warms === undefined)
        publish('guest-logged', { policyId, uid, level: message.level, message: message.message });
      return;
    }
    if (attempt.stop !== undefined) return;
    attempt.waitingSinceMs = this.#options.nowMs();
    // A guest whose caller has gone gets no answer; it is about to be given up.
    if (attempt.flight.settled) return;
    if (message.kind === 'sleep') {
      const wake = (): void => this.#reply(attempt, { kind: 'answer', bytes: new Uint8Array() });
      attempt.sleep = setTimeout(wake, message.ms).unref();
      return;
    }
    void this.#answer(attempt, message.call).then((reply) => this.#reply(attempt, reply));
  }

  #reply(attempt: Attempt, reply: HostReply): void {
    if (attempt.stop !== undefined || attempt.thread.isDead || attempt.waitingSinceMs === undefined) return;
    attempt.waitedMs += this.#options.nowMs() - attempt.waitingSinceMs;
    attempt.waitingSinceMs = undefined;
    attempt.hostCall = undefined;
    attempt.answers++;
    this.#options.reply(attempt, reply);
  }

  /** Never rejects: a failure is what the guest gets. */
  async #answer(attempt: Attempt, call: HostCall): Promise<HostReply> {
    const { nowMs } = this.#options;
    const startedAtMs = nowMs();
    const reply = await this.#ask(attempt, call);
    publish('host-called', {
      policyId: attempt.flight.work.policyId,
      namespace: call.namespace,
      operation: call.operation,
      durationMs: nowMs() - startedAtMs,
      failed: reply.kind === 'failure',
    });
    return reply;
  }

  async #ask(attempt: Attempt, call: HostCall): Promise<HostReply> {
    const { maxHostCallBytes: most } = this.#options;
    const control = new AbortController();
    attempt.hostCall = control;
    try {
      const { work } = attempt.flight;
      const bytes = await work.hostCall(call, {
        signal: control.signal,
        remainingMs: work.timeoutMs === undefined ? undefined : remainingMs(attempt),
      });
      const size = bytes.byteLength;
      if (size <= most) return { kind: 'answer', bytes: ownBytes(bytes) };
      return {
        kind: 'failure',
        message: `host call failed: the answer has ${size} bytes, at most ${most} are allowed`,
      };
    } catch (error) {
      return { kind: 'failure', message: messageOf(error) };
    }
  }
}
