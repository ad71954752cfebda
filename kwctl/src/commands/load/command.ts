import type { CommandSyntax } from '../../command-line/command.ts';

export const LOAD: CommandSyntax = {
  options: [
    { id: 'input', valueName: 'input', completes: 'file', required: true, help: 'Path of a tar.gz file made by save' },
  ],
  positionals: [],
};
