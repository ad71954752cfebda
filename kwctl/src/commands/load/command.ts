import type { CommandSpec } from '../../command-line/command.ts';

export const LOAD: CommandSpec = {
  path: 'kwctl load',
  about: 'Load policies from a tar.gz file',
  options: [
    { id: 'input', valueName: 'input', completes: 'file', required: true, help: 'Path of a tar.gz file made by save' },
  ],
  positionals: [],
};
