import type { CommandSyntax } from '../../command-line/command.ts';
import { JSON_OPTION } from '../../options/json-option.ts';
import { sourceOptions } from '../../options/source-options.ts';

export const INSPECT: CommandSyntax = {
  options: [
    ...sourceOptions(),
    { ...JSON_OPTION, conflictsWith: ['output'] },
    { id: 'output', short: 'o', valueName: 'FORMAT', values: ['yaml', 'json'], help: 'Output format' },
    { id: 'show-signatures', help: 'Show the Sigstore signatures of the policy' },
  ],
  positionals: [
    {
      id: 'uri_or_sha_prefix',
      completes: 'file',
      help: 'Policy file, URI, or prefix of the SHA-256 of a stored policy',
    },
  ],
};
