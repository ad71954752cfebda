import type { CapabilityAllowList, HostCall } from '@portcullis/protocol';
import type { PolicyHost } from '../run/host.ts';
import type { Subject } from './subject.ts';

/** Answers what a measured policy asks its host. */
export class HostDesk implements Disposable {
  readonly #subject: Subject;
  readonly #allowList: CapabilityAllowList;
  readonly #over = new AbortController();
  #host: PolicyHost;
  /** Set while every call of the policy is to find the host as the first one did. */
  #iteration: number | undefined;

  constructor(subject: Subject, host: PolicyHost, allowList: CapabilityAllowList) {
    this.#subject = subject;
    this.#host = host;
    this.#allowList = allowList;
  }

  /** From now on another host answers, and a recorded session begins anew with every call of the policy. */
  turnTo(host: PolicyHost): void {
    this.#host = host;
    this.#iteration = 0;
  }

  answer(call: HostCall, iteration: number): Promise<Uint8Array> {
    if (this.#iteration !== undefined && this.#iteration !== iteration) {
      this.#iteration = iteration;
      this.#host.begin();
    }
    const { policyId, contextAwareResources, timeoutMs } = this.#subject;
    return this.#host.hostCalls(call, {
      policyId,
      contextAwareResources,
      allowList: this.#allowList,
      signal: this.#over.signal,
      remainingMs: timeoutMs,
    });
  }

  [Symbol.dispose](): void {
    this.#over.abort();
  }
}
