import type { CommandSyntax } from '../../command-line/command.ts';

export const SAVE: CommandSyntax = {
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
