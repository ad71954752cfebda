import type { CommandSyntax } from '../../command-line/command.ts';
import { sourceOptions } from '../../options/source-options.ts';

export const DIGEST: CommandSyntax = {
  options: sourceOptions(),
  positionals: [{ id: 'uri', help: 'Policy URI: registry://, or a reference such as ghcr.io/…' }],
};
