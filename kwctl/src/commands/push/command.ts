import type { CommandSyntax } from '../../command-line/command.ts';
import { PROXY_HELP, sourceOptions } from '../../options/source-options.ts';

export const PUSH: CommandSyntax = {
  longAfter: `Annotations of the policy's metadata become annotations of the OCI manifest; those of several lines are left out.
'io.kubewarden.policy.source' is also written as 'org.opencontainers.image.source', unless the metadata has that, too.

${PROXY_HELP}`,
  options: [
    ...sourceOptions(),
    {
      id: 'force',
      short: 'f',
      valueName: 'force',
      takes: 'attached',
      help: 'Push a policy that is not annotated, too',
    },
    {
      id: 'output',
      short: 'o',
      valueName: 'PATH',
      values: ['text', 'json'],
      defaultText: 'text',
      help: 'Output format',
    },
  ],
  positionals: [
    {
      id: 'policy',
      completes: 'file',
      help: 'Policy to push: a file, or the URI or the prefix of the SHA-256 of a stored policy',
    },
    { id: 'uri', help: 'Where to push it: registry://, or a reference such as ghcr.io/…' },
  ],
};
