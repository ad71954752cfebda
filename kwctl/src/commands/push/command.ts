import type { CommandSpec } from '../../command-line/command.ts';
import { PROXY_HELP, sourceOptions } from '../../options/source-options.ts';

export const PUSH: CommandSpec = {
  path: 'kwctl push',
  about: 'Push a Kubewarden policy to an OCI registry',
  longAfter: `The annotations of the policy's metadata become annotations of the OCI manifest, besides those of more than one line and
empty ones. 'io.kubewarden.policy.source' is also written as 'org.opencontainers.image.source'.

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
