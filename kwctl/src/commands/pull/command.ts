import type { CommandSyntax } from '../../command-line/command.ts';
import { PROXY_HELP, sourceOptions } from '../../options/source-options.ts';
import { VERIFICATION_OPTIONS } from '../../options/verification-options.ts';

export const PULL: CommandSyntax = {
  longAfter: PROXY_HELP,
  options: [
    ...sourceOptions('DOCKER_CONFIG'),
    ...VERIFICATION_OPTIONS,
    {
      id: 'output-path',
      short: 'o',
      valueName: 'PATH',
      completes: 'file',
      help: 'Output file; without it the policy goes to the store',
    },
  ],
  positionals: [{ id: 'uri', help: 'Policy URI: registry://, https://, or a reference such as ghcr.io/…' }],
};
