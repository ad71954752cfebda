import type { CommandSyntax } from '../../command-line/command.ts';

/** What can be scaffolded, by name. */
export const SCAFFOLD: CommandSyntax = {
  options: [],
  positionals: [],
  subcommands: [
    {
      path: 'kwctl scaffold admission-request',
      about: 'Scaffold an AdmissionRequest object',
      load: async () => (await import('./admission-request/command.ts')).ADMISSION_REQUEST,
    },
    {
      path: 'kwctl scaffold artifacthub',
      about: 'Output an artifacthub-pkg.yml file from a metadata.yml file',
      load: async () => (await import('./artifacthub/command.ts')).ARTIFACTHUB,
    },
    {
      path: 'kwctl scaffold manifest',
      about: 'Output a Kubernetes resource manifest',
      load: async () => (await import('./manifest/command.ts')).MANIFEST,
    },
    {
      path: 'kwctl scaffold vap',
      about: 'Convert a Kubernetes ValidatingAdmissionPolicy into a Kubewarden ClusterAdmissionPolicy',
      load: async () => (await import('./vap/command.ts')).VAP,
    },
    {
      path: 'kwctl scaffold verification-config',
      about: 'Output a default Sigstore verification configuration file',
      load: async () => (await import('./verification-config/command.ts')).VERIFICATION_CONFIG,
    },
  ],
};
