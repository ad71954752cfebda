import type { CommandSyntax } from '../../command-line/command.ts';
import { JSON_OPTION } from '../../options/json-option.ts';
import { PROXY_HELP, sourceOptions } from '../../options/source-options.ts';
import { VERIFICATION_OPTIONS } from '../../options/verification-options.ts';

export const VERIFY: CommandSyntax = {
  longAfter: PROXY_HELP,
  options: [...sourceOptions(), ...VERIFICATION_OPTIONS, JSON_OPTION],
  positionals: [{ id: 'uri', help: 'Policy URI: registry://, or a reference such as ghcr.io/…' }],
};
