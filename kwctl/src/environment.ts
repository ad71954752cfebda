import { isAbsolute, join } from 'node:path';
import type { Log } from './output/log.ts';

/** What a command may use of the world around it; made once, in `main.ts`. */
export interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Writes to stdout, which carries results and nothing else. */
  readonly write: (text: string) => void;
  /** Writes to stderr. */
  readonly writeError: (text: string) => void;
  readonly terminal: Terminal;
  readonly now: () => Date;
}

export interface Terminal {
  /** Columns of the terminal behind stdout; `undefined` when there is none. */
  readonly stdoutColumns: number | undefined;
  readonly isStderrTerminal: boolean;
}

/** What every command gets. */
export interface CommandContext {
  readonly environment: Environment;
  readonly log: Log;
}

/** Where artefacts that are dear to make again are kept; the XDG rules ignore relative paths. */
export function cacheFolder({ env, home }: Environment): string {
  const configured = env['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(configured) ? configured : join(home, '.cache'), 'kubewarden', 'kwctl');
}
