import type { CommandSpec } from '../../command-line/command.ts';

export const SAVE: CommandSpec = {
  path: 'kwctl save',
  about: 'Save policies to a tar.gz file',
  options: [
    { id: 'output', short: 'o', valueName: 'FILE', completes: 'file', required: true, help: 'Path of the tar.gz file' },
  ],
  positionals: [
    {
      id: 'policies',
      repeatable: true,
      help: 'Policies to save: URIs or prefixes of the SHA-256 of stored policies',
    },
  ],
};
