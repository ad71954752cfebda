import type { CommandSyntax } from '../../../command-line/command.ts';

export const ADMISSION_REQUEST: CommandSyntax = {
  options: [
    {
      id: 'object',
      valueName: 'PATH',
      completes: 'file',
      help: 'YAML or JSON file with the object the request is about',
    },
    {
      id: 'old-object',
      valueName: 'PATH',
      completes: 'file',
      help: 'YAML or JSON file with the object as it was before',
    },
    {
      id: 'operation',
      short: 'o',
      valueName: 'TYPE',
      values: ['CREATE'],
      required: true,
      help: 'Kubernetes operation of the request',
    },
  ],
  positionals: [],
};
