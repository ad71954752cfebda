import type { OptionSpec } from '../command-line/command.ts';
import { settingsOptions } from './settings-options.ts';
import { sourceOptions } from './source-options.ts';
import { VERIFICATION_OPTIONS } from './verification-options.ts';

export const EXECUTION_MODE_NAMES = [
  'opa',
  'gatekeeper',
  'kubewarden',
  'wasi',
  'kubewarden-wapc',
  'component',
] as const;

export const DEFAULT_TIMEOUT_SECONDS = 60;

/** Options of the commands that evaluate policies: run and bench. */
export const EVALUATION_OPTIONS: readonly OptionSpec[] = [
  ...sourceOptions(),
  ...VERIFICATION_OPTIONS,
  ...settingsOptions('wins over --settings-json'),
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
    completes: 'file',
    conflictsWith: ['replay-host-capabilities-interactions'],
    help: 'Record what the policy asks its host, and the answers, in the given file',
  },
  {
    id: 'replay-host-capabilities-interactions',
    valueName: 'FILE',
    completes: 'file',
    help: 'Answer what the policy asks its host from a recorded session instead of the outside world',
  },
  {
    id: 'request-path',
    short: 'r',
    valueName: 'PATH',
    completes: 'file',
    required: true,
    help: "JSON file with the admission request or AdmissionReview; '-' reads stdin",
  },
  {
    id: 'timeout',
    valueName: 'SECONDS',
    check: (value) => (/^\d{1,7}(?:\.\d{1,3})?$/.test(value) ? undefined : 'expected a number of seconds'),
    defaultText: String(DEFAULT_TIMEOUT_SECONDS),
    help: 'End an evaluation, or the validation of settings, that takes longer; 0 waits for ever',
  },
];
