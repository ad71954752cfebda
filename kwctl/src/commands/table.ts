import type { CommandSpec } from '../command-line/command.ts';

/** All commands of kwctl, by name. */
export const KWCTL: CommandSpec = {
  path: 'kwctl',
  about: 'Tool to manage Kubewarden policies',
  options: [
    { id: 'no-color', help: 'Disable colored output for logs' },
    { id: 'verbose', short: 'v', help: 'Increase verbosity' },
  ],
  positionals: [],
  subcommands: [
    {
      path: 'kwctl annotate',
      about: 'Add Kubewarden metadata to a WebAssembly module',
      load: async () => (await import('./annotate/command.ts')).ANNOTATE,
    },
    {
      path: 'kwctl bench',
      about: 'Benchmark a Kubewarden policy',
      load: async () => (await import('./bench/command.ts')).BENCH,
    },
    {
      path: 'kwctl completions',
      about: 'Generate shell completions',
      load: async () => (await import('./completions/command.ts')).COMPLETIONS,
    },
    {
      path: 'kwctl digest',
      about: 'Fetch the digest of the OCI manifest of a policy',
      load: async () => (await import('./digest/command.ts')).DIGEST,
    },
    {
      path: 'kwctl docs',
      about: 'Generate the reference of the command line',
      load: async () => (await import('./docs/command.ts')).DOCS,
    },
    {
      path: 'kwctl info',
      about: 'Display system information',
      load: async () => (await import('./info/command.ts')).INFO,
    },
    {
      path: 'kwctl inspect',
      about: 'Inspect a Kubewarden policy',
      load: async () => (await import('./inspect/command.ts')).INSPECT,
    },
    {
      path: 'kwctl load',
      about: 'Load policies from a tar.gz file',
      load: async () => (await import('./load/command.ts')).LOAD,
    },
    {
      path: 'kwctl policies',
      about: 'List all downloaded policies',
      load: async () => (await import('./policies/command.ts')).POLICIES,
    },
    {
      path: 'kwctl pull',
      about: 'Pull a Kubewarden policy from a given URI',
      load: async () => (await import('./pull/command.ts')).PULL,
    },
    {
      path: 'kwctl push',
      about: 'Push a Kubewarden policy to an OCI registry',
      load: async () => (await import('./push/command.ts')).PUSH,
    },
    {
      path: 'kwctl rm',
      about: 'Remove a Kubewarden policy from the store',
      load: async () => (await import('./rm/command.ts')).RM,
    },
    {
      path: 'kwctl run',
      about: 'Run a Kubewarden policy from a given URI',
      load: async () => (await import('./run/command.ts')).RUN,
    },
    {
      path: 'kwctl save',
      about: 'Save policies to a tar.gz file',
      load: async () => (await import('./save/command.ts')).SAVE,
    },
    {
      path: 'kwctl scaffold',
      about: 'Scaffold a Kubernetes resource or configuration file',
      load: async () => (await import('./scaffold/command.ts')).SCAFFOLD,
    },
    {
      path: 'kwctl verify',
      about: 'Verify the signatures of a Kubewarden policy',
      load: async () => (await import('./verify/command.ts')).VERIFY,
    },
  ],
};
