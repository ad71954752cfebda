import type { CommandSpec } from '../../command-line/command.ts';

export const DOCS: CommandSpec = {
  path: 'kwctl docs',
  about: 'Generate the reference of the command line',
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
