import { createLog } from '../host/log.ts';
import type { Policy } from '../policy.ts';
import { createDispatcher, describeError } from './dispatcher.ts';
import { guestGlobals, hostTransport } from './globals.ts';

/** Runs once, while the policy is built: makes `policy` answer the module's calls. */
export function installPolicy(policy: Policy): void {
  if (typeof policy?.validate !== 'function' || typeof policy.parseSettings !== 'function') {
    throw new TypeError('the export `policy` is not a policy - make it with definePolicy');
  }
  const log = createLog(hostTransport);
  const dispatch = createDispatcher(policy, hostTransport);
  guestGlobals.__dispatch = (operation, payload) => {
    try {
      return dispatch(operation, payload);
    } catch (error) {
      if (error instanceof Error) log.debug('the policy failed', { stack: error.stack });
      // An error without a name prints as its message alone, and that is what the host reports.
      throw Object.assign(new Error(describeError(error).toWellFormed()), { name: '' });
    }
  };
}
