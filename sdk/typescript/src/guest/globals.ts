import { createLog } from '../host/log.ts';
import { createConsole } from './console.ts';
import type { GuestConsole } from './console.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { HostTransport } from '../host/transport.ts';

/** What the built module and the JavaScript inside it know of each other. */
interface GuestGlobals {
  /** Given by the module. */
  __hostCall: HostTransport;
  /** Given by the policy; the module calls it for every waPC call. */
  __dispatch: Dispatcher;
  console: GuestConsole;
}

export const guestGlobals = globalThis as unknown as GuestGlobals;

export const hostTransport: HostTransport = (...call) => guestGlobals.__hostCall(...call);

// This module is evaluated before the policy and what it imports: they find a console.
guestGlobals.console = createConsole(createLog(hostTransport));
