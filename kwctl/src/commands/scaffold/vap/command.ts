import type { CommandSyntax } from '../../../command-line/command.ts';

export const DEFAULT_CEL_POLICY = 'ghcr.io/kubewarden/policies/cel-policy:latest';

export const VAP: CommandSyntax = {
  options: [
    {
      id: 'binding',
      short: 'b',
      valueName: 'VALIDATING-ADMISSION-POLICY-BINDING.yaml',
      completes: 'file',
      required: true,
      help: 'File containing the ValidatingAdmissionPolicyBinding',
    },
    { id: 'cel-policy', valueName: 'URI', defaultText: DEFAULT_CEL_POLICY, help: 'The CEL policy module to use' },
    {
      id: 'policy',
      short: 'p',
      valueName: 'VALIDATING-ADMISSION-POLICY.yaml',
      completes: 'file',
      required: true,
      help: 'File containing the ValidatingAdmissionPolicy',
    },
  ],
  positionals: [],
};
