import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { missingProgram } from '@portcullis/testkit';
import { KWCTL } from './kwctl-process.ts';

/** Gives a program a terminal. */
const TERMINAL = 'script';
/** Why there is no terminal here, if there is none. */
export const skipTerminal = missingProgram(TERMINAL);

export interface TerminalCall {
  readonly cwd: string;
  readonly env?: Record<string, string>;
  /** 0, as in terminals nobody looks at. */
  readonly columns?: number;
}

/** Runs the real program on a terminal, and answers all that is written to it. */
export async function kwctlOnTerminal(
  args: readonly string[],
  { cwd, env = {}, columns = 80 }: TerminalCall,
): Promise<string> {
  const words = [process.execPath, KWCTL, ...args].map((word) => `'${word}'`);
  const child = spawn(TERMINAL, ['-qec', `stty cols ${columns} && ${words.join(' ')}`, '/dev/null'], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, XDG_CACHE_HOME: join(cwd, 'cache'), TERM: 'xterm', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  await new Promise((resolve) => child.on('close', resolve));
  return shown;
}
