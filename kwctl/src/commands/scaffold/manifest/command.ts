import type { CommandSyntax } from '../../../command-line/command.ts';
import { settingsOptions } from '../../../options/settings-options.ts';
import { sourceOptions } from '../../../options/source-options.ts';
import { VERIFICATION_OPTIONS } from '../../../options/verification-options.ts';

export const MANIFEST: CommandSyntax = {
  options: [
    ...sourceOptions('DOCKER_CONFIG'),
    ...VERIFICATION_OPTIONS,
    ...settingsOptions('conflict'),
    {
      id: 'allow-context-aware',
      help: 'Write the Kubernetes resources the policy asks for into the manifest. Review them first',
    },
    { id: 'title', valueName: 'VALUE', help: 'Name of the resource; without it the title of the policy' },
    {
      id: 'type',
      short: 't',
      valueName: 'VALUE',
      values: ['ClusterAdmissionPolicy', 'AdmissionPolicy'],
      required: true,
      help: 'Kubewarden custom resource type',
    },
  ],
  positionals: [
    {
      id: 'uri_or_sha_prefix',
      completes: 'file',
      help: 'Policy file, URI, or prefix of the SHA-256 of a stored policy',
    },
  ],
};
