import type { CommandSyntax } from '../../command-line/command.ts';

export const DOCS: CommandSyntax = {
  options: [
    {
      id: 'output',
      short: 'o',
      valueName: 'FILE',
      completes: 'file',
      required: true,
      help: 'Output file; Markdown when its name ends in .md, else AsciiDoc',
    },
  ],
  positionals: [],
};
