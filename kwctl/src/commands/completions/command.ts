import type { CommandSyntax } from '../../command-line/command.ts';

export const SHELLS = ['bash', 'elvish', 'fish', 'powershell', 'zsh'] as const;

export const COMPLETIONS: CommandSyntax = {
  options: [
    { id: 'shell', short: 's', valueName: 'VALUE', values: SHELLS, required: true, help: 'Shell to complete for' },
  ],
  positionals: [],
};
