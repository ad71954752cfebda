import { isAbsolute, join } from 'node:path';
import type { Interruptible } from './interruption.ts';
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
  /** Lets work put things right before a signal ends the program. @default the work is not interrupted */
  readonly interruptible?: Interruptible;
}

export interface Terminal {
  /** Columns of the terminal behind stdout; `undefined` when there is none. */
  readonly stdoutColumns: number | undefined;
  readonly isStderrTerminal: boolean;
  /** Columns of the terminal behind stderr. @default those behind stdout */
  readonly stderrColumns?: number | undefined;
}

/** What every command gets. */
export interface CommandContext {
  readonly environment: Environment;
  readonly log: Log;
  /** Whether results may be coloured: stdout is a terminal, and nobody minds. @default false */
  readonly colorsStdout?: boolean;
}

/** Where artefacts that are dear to make again are kept. */
export function cacheFolder(environment: Environment): string {
  return join(userFolders(environment).cache, 'kwctl');
}

/** Where pulled policies are kept, in the layout other tools on this machine share. */
export function storeFolder(environment: Environment): string {
  return join(userFolders(environment).cache, 'store');
}

/** Where `sources.yaml` and other settings of the user lie. */
export function configFolder(environment: Environment): string {
  return userFolders(environment).config;
}

interface UserFolders {
  readonly cache: string;
  readonly config: string;
}

/** The folders each system has for a program's own files. */
export function userFolders({ env, home }: Environment, platform: NodeJS.Platform = process.platform): UserFolders {
  if (platform === 'darwin') {
    const name = 'io.kubewarden.kubewarden';
    return {
      cache: join(home, 'Library', 'Caches', name),
      config: join(home, 'Library', 'Application Support', name),
    };
  }
  if (platform === 'win32') {
    const local = env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local');
    const roaming = env['APPDATA'] ?? join(home, 'AppData', 'Roaming');
    return { cache: join(local, 'kubewarden', 'cache'), config: join(roaming, 'kubewarden', 'config') };
  }
  return {
    cache: join(xdgFolder(env['XDG_CACHE_HOME'], home, '.cache'), 'kubewarden'),
    config: join(xdgFolder(env['XDG_CONFIG_HOME'], home, '.config'), 'kubewarden'),
  };
}

/** The XDG rules ignore relative paths. */
function xdgFolder(configured: string | undefined, home: string, fallback: string): string {
  return configured !== undefined && isAbsolute(configured) ? configured : join(home, fallback);
}
