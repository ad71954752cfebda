import type { CommandSpec } from '../../command-line/command.ts';
import { sourceOptions } from '../../options/source-options.ts';

export const DIGEST: CommandSpec = {
  path: 'kwctl digest',
  about: 'Fetch the digest of the OCI manifest of a policy',
  options: sourceOptions(),
  positionals: [{ id: 'uri', help: 'Policy URI: registry://, or a reference such as ghcr.io/…' }],
};
