import type { CommandSyntax } from '../../command-line/command.ts';

export const ANNOTATE: CommandSyntax = {
  options: [
    {
      id: 'metadata-path',
      short: 'm',
      valueName: 'PATH',
      completes: 'file',
      required: true,
      help: 'File containing the metadata',
    },
    { id: 'output-path', short: 'o', valueName: 'PATH', completes: 'file', required: true, help: 'Output file' },
    {
      id: 'usage-path',
      short: 'u',
      valueName: 'PATH',
      completes: 'file',
      help: 'File containing the usage information of the policy',
    },
  ],
  positionals: [{ id: 'wasm-path', completes: 'file', help: 'Path to WebAssembly module to be annotated' }],
};
