import type { CommandSpec } from '../command-line/command.ts';
import { ANNOTATE } from './annotate/command.ts';
import { BENCH } from './bench/command.ts';
import { COMPLETIONS } from './completions/command.ts';
import { DIGEST } from './digest/command.ts';
import { DOCS } from './docs/command.ts';
import { INFO } from './info/command.ts';
import { INSPECT } from './inspect/command.ts';
import { LOAD } from './load/command.ts';
import { POLICIES } from './policies/command.ts';
import { PULL } from './pull/command.ts';
import { PUSH } from './push/command.ts';
import { RM } from './rm/command.ts';
import { RUN } from './run/command.ts';
import { SAVE } from './save/command.ts';
import { SCAFFOLD } from './scaffold/command.ts';
import { VERIFY } from './verify/command.ts';

/** All commands of kwctl, by name. */
export const KWCTL: CommandSpec = {
  path: 'kwctl',
  about: 'Tool to manage Kubewarden policies',
  options: [
    { id: 'no-color', help: 'Disable colored output for logs' },
    { id: 'verbose', short: 'v', help: 'Increase verbosity' },
  ],
  positionals: [],
  subcommands: [
    ANNOTATE,
    BENCH,
    COMPLETIONS,
    DIGEST,
    DOCS,
    INFO,
    INSPECT,
    LOAD,
    POLICIES,
    PULL,
    PUSH,
    RM,
    RUN,
    SAVE,
    SCAFFOLD,
    VERIFY,
  ],
};
