import type { CommandSpec } from '../../command-line/command.ts';

export const SHELLS = ['bash', 'elvish', 'fish', 'powershell', 'zsh'] as const;

export const COMPLETIONS: CommandSpec = {
  path: 'kwctl completions',
  about: 'Generate shell completions',
  options: [
    { id: 'shell', short: 's', valueName: 'VALUE', values: SHELLS, required: true, help: 'Shell to complete for' },
  ],
  positionals: [],
};
