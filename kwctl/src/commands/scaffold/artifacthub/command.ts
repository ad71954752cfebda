import type { CommandSyntax } from '../../../command-line/command.ts';

export const ARTIFACTHUB: CommandSyntax = {
  options: [
    {
      id: 'metadata-path',
      short: 'm',
      valueName: 'PATH',
      completes: 'file',
      help: 'File containing the metadata of the policy',
      defaultText: 'metadata.yml or metadata.yaml',
    },
    {
      id: 'output',
      short: 'o',
      valueName: 'FILE',
      completes: 'file',
      help: 'Path of the file to write; without it stdout',
    },
    {
      id: 'questions-path',
      short: 'q',
      valueName: 'PATH',
      completes: 'file',
      help: 'File containing the questions-ui of the policy',
    },
    { id: 'version', short: 'v', valueName: 'VALUE', help: 'Ignored: the version is read from the metadata' },
  ],
  positionals: [],
};
