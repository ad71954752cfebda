import type { OptionSpec } from '../command-line/command.ts';

/** Options that say which signatures a policy must have. */
export const VERIFICATION_OPTIONS: readonly OptionSpec[] = [
  { id: 'cert-email', valueName: 'VALUE', help: 'Expected email in the Fulcio certificate' },
  { id: 'cert-oidc-issuer', valueName: 'VALUE', help: 'Expected OIDC issuer in the Fulcio certificate' },
  {
    id: 'github-owner',
    valueName: 'VALUE',
    help: 'GitHub owner expected in the certificates generated in CD pipelines',
  },
  {
    id: 'github-repo',
    valueName: 'VALUE',
    help: 'GitHub repository expected in the certificates generated in CD pipelines',
  },
  {
    id: 'sigstore-trust-config',
    valueName: 'PATH',
    completes: 'file',
    help: 'JSON file with a Sigstore ClientTrustConfig',
  },
  {
    id: 'verification-annotation',
    short: 'a',
    valueName: 'KEY=VALUE',
    repeatable: true,
    help: 'Annotation in key=value format; can be given several times',
  },
  {
    id: 'verification-config-path',
    valueName: 'PATH',
    completes: 'file',
    help: 'YAML file with verification information',
  },
  {
    id: 'verification-key',
    short: 'k',
    valueName: 'PATH',
    completes: 'file',
    repeatable: true,
    help: 'Key used to verify the policy; can be given several times',
  },
];
