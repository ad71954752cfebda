import type { CommandSpec, OptionSpec } from '../command-line/command.ts';

const SOURCE_OPTIONS: readonly OptionSpec[] = [
  {
    id: 'docker-config-json-path',
    valueName: 'PATH',
    help: 'Directory that holds the Docker config.json with registry credentials',
  },
  {
    id: 'sources-path',
    valueName: 'PATH',
    help: 'YAML file with source information (https, registry insecure hosts, custom CAs)',
  },
];

const VERIFICATION_OPTIONS: readonly OptionSpec[] = [
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
  { id: 'sigstore-trust-config', valueName: 'PATH', help: 'JSON file with a Sigstore ClientTrustConfig' },
  {
    id: 'verification-annotation',
    short: 'a',
    valueName: 'KEY=VALUE',
    repeatable: true,
    help: 'Annotation in key=value format; can be given several times',
  },
  { id: 'verification-config-path', valueName: 'PATH', help: 'YAML file with verification information' },
  {
    id: 'verification-key',
    short: 'k',
    valueName: 'PATH',
    repeatable: true,
    help: 'Key used to verify the policy; can be given several times',
  },
];

/** Options of `run` that ask for a registry. They are read, and refused in plain words until registries are served. */
export const REGISTRY_OPTIONS: readonly string[] = [...SOURCE_OPTIONS, ...VERIFICATION_OPTIONS].map(({ id }) => id);

export const EXECUTION_MODE_NAMES = [
  'opa',
  'gatekeeper',
  'kubewarden',
  'wasi',
  'kubewarden-wapc',
  'component',
] as const;

export const DEFAULT_TIMEOUT_SECONDS = 60;

const RUN: CommandSpec = {
  path: 'kwctl run',
  about: 'Run a Kubewarden policy from a given URI',
  longAbout: `Evaluates a request with a policy and prints the answer: one line of JSON on stdout. The exit code is 0 also when the
policy rejects the request, 1 when it could not be evaluated, 2 when the command line is wrong.

The policy is a file (path or file:// URL), or a YAML file of ClusterAdmissionPolicy, AdmissionPolicy,
ClusterAdmissionPolicyGroup and AdmissionPolicyGroup resources; then each of them is asked, in order, and settings
come from the resources. Registry references are not fetched in this release.`,
  options: [
    ...SOURCE_OPTIONS,
    ...VERIFICATION_OPTIONS,
    {
      id: 'allow-context-aware',
      help: "Grant the policy access to the Kubernetes resources its metadata lists under 'contextAwareResources'",
    },
    {
      id: 'allowed-host-capabilities',
      valueName: 'allowed-host-capabilities',
      takes: 'many',
      repeatable: true,
      defaultText: '*',
      help: "Host capabilities the policy may use, such as 'oci/v1/verify' or 'net/*'; none at all denies every one. Takes all arguments up to the next option or '--'",
    },
    { id: 'disable-wasmtime-cache', help: 'Keep no compiled artefacts on disk' },
    {
      id: 'execution-mode',
      short: 'e',
      valueName: 'MODE',
      values: EXECUTION_MODE_NAMES,
      help: 'The runtime of a policy that does not say so in its metadata; not for policies defined in a YAML file',
    },
    { id: 'raw', help: 'Validate a raw request: the file is handed to the policy as it is' },
    {
      id: 'record-host-capabilities-interactions',
      valueName: 'FILE',
      conflictsWith: ['replay-host-capabilities-interactions'],
      help: 'Record what the policy asks its host, and the answers, in the given file',
    },
    {
      id: 'replay-host-capabilities-interactions',
      valueName: 'FILE',
      help: 'Answer what the policy asks its host from a recorded session instead of the outside world',
    },
    {
      id: 'request-path',
      short: 'r',
      valueName: 'PATH',
      required: true,
      help: "JSON file with the admission request or AdmissionReview; '-' reads stdin",
    },
    { id: 'settings-json', valueName: 'VALUE', help: 'JSON string with the settings of the policy' },
    {
      id: 'settings-path',
      short: 's',
      valueName: 'PATH',
      help: 'JSON or YAML file with the settings of the policy; wins over --settings-json',
    },
    {
      id: 'timeout',
      valueName: 'SECONDS',
      check: (value) => (/^\d{1,7}(?:\.\d{1,3})?$/.test(value) ? undefined : 'expected a number of seconds'),
      defaultText: String(DEFAULT_TIMEOUT_SECONDS),
      help: 'End an evaluation, or the validation of settings, that takes longer; 0 waits for ever',
    },
  ],
  positionals: [
    {
      id: 'uri_or_sha_prefix_or_yaml_file',
      help: 'Policy file, file:// URL, or YAML file with policy resources',
    },
  ],
};

const ANNOTATE: CommandSpec = {
  path: 'kwctl annotate',
  about: 'Add Kubewarden metadata to a WebAssembly module',
  options: [
    { id: 'metadata-path', short: 'm', valueName: 'PATH', required: true, help: 'File containing the metadata' },
    { id: 'output-path', short: 'o', valueName: 'PATH', required: true, help: 'Output file' },
    { id: 'usage-path', short: 'u', valueName: 'PATH', help: 'File containing the usage information of the policy' },
  ],
  positionals: [{ id: 'wasm-path', help: 'Path to WebAssembly module to be annotated' }],
};

const INSPECT: CommandSpec = {
  path: 'kwctl inspect',
  about: 'Inspect a Kubewarden policy',
  options: [
    ...SOURCE_OPTIONS,
    { id: 'output', short: 'o', valueName: 'FORMAT', values: ['yaml'], help: 'Output format' },
    { id: 'show-signatures', help: 'Show the Sigstore signatures of the policy' },
  ],
  positionals: [{ id: 'uri_or_sha_prefix', help: 'Policy file or file:// URL' }],
};

function later(name: string, about: string): CommandSpec {
  return { path: `kwctl ${name}`, about, options: [], positionals: [], notServed: true };
}

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
    ANNOTATE,
    later('bench', 'Benchmark a Kubewarden policy'),
    later('completions', 'Generate shell completions'),
    later('digest', 'Fetch the digest of the OCI manifest of a policy'),
    later('docs', 'Generate the reference of the command line'),
    later('info', 'Display system information'),
    INSPECT,
    later('load', 'Load policies from a tar.gz file'),
    later('policies', 'List all downloaded policies'),
    later('pull', 'Pull a Kubewarden policy from a given URI'),
    later('push', 'Push a Kubewarden policy to an OCI registry'),
    later('rm', 'Remove a Kubewarden policy from the store'),
    RUN,
    later('save', 'Save policies to a tar.gz file'),
    later('scaffold', 'Scaffold a Kubernetes resource or configuration file'),
    later('verify', 'Verify the signatures of a Kubewarden policy'),
  ],
};
