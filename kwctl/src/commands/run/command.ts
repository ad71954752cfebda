import type { CommandSyntax } from '../../command-line/command.ts';
import { EVALUATION_OPTIONS } from '../../options/evaluation-options.ts';
import { PROXY_HELP } from '../../options/source-options.ts';

export const RUN: CommandSyntax = {
  longAbout: `Evaluates a request with a policy and prints the answer: one line of JSON on stdout. The exit code is 0 also when the
policy rejects the request, 1 when it could not be evaluated, 2 when the command line is wrong.

The policy is a file (path or file:// URL), a reference (registry:// or https:// URL, or ghcr.io/…), the first
characters of the SHA-256 of a policy in the store, or a YAML file of ClusterAdmissionPolicy, AdmissionPolicy,
ClusterAdmissionPolicyGroup and AdmissionPolicyGroup resources; then each of them is asked, in order, and settings
come from the resources. Policies that are not in the store yet are downloaded into it.`,
  longAfter: PROXY_HELP,
  options: EVALUATION_OPTIONS,
  positionals: [
    {
      id: 'uri_or_sha_prefix_or_yaml_file',
      completes: 'file',
      help: 'Policy file, URI, prefix of the SHA-256 of a stored policy, or YAML file with policy resources',
    },
  ],
};
