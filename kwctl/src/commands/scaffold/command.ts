import type { CommandSpec } from '../../command-line/command.ts';
import { ADMISSION_REQUEST } from './admission-request/command.ts';
import { ARTIFACTHUB } from './artifacthub/command.ts';
import { MANIFEST } from './manifest/command.ts';
import { VAP } from './vap/command.ts';
import { VERIFICATION_CONFIG } from './verification-config/command.ts';

export const SCAFFOLD: CommandSpec = {
  path: 'kwctl scaffold',
  about: 'Scaffold a Kubernetes resource or configuration file',
  options: [],
  positionals: [],
  subcommands: [ADMISSION_REQUEST, ARTIFACTHUB, MANIFEST, VAP, VERIFICATION_CONFIG],
};
