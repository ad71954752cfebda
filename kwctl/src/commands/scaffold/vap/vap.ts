import { stringifyYaml } from '@portcullis/artifact';
import { ImageReferenceError, parseImageReference } from '@portcullis/protocol';
import { optionValue, type CommandArguments } from '../../../command-line/command.ts';
import type { CommandContext } from '../../../environment.ts';
import { KwctlError } from '../../../errors.ts';
import { readTextFile } from '../../../text-file.ts';
import { DEFAULT_CEL_POLICY } from './command.ts';
import { clusterAdmissionPolicy } from './conversion.ts';
import {
  parseValidatingAdmissionPolicy,
  parseValidatingAdmissionPolicyBinding,
  type ValidatingAdmissionPolicy,
} from './validating-admission-policy.ts';

const MAX_RESOURCE_BYTES = 4 * 2 ** 20;

/** `kwctl scaffold vap`: turns a ValidatingAdmissionPolicy and its binding into a ClusterAdmissionPolicy. */
export async function scaffoldVap(given: CommandArguments, { environment, log }: CommandContext): Promise<void> {
  const module = (optionValue(given, 'cel-policy') ?? DEFAULT_CEL_POLICY).trim();
  const policyText = await readResource(optionValue(given, 'policy') ?? '');
  const bindingText = await readResource(optionValue(given, 'binding') ?? '');
  const policy = converted('ValidatingAdmissionPolicy', () => parseValidatingAdmissionPolicy(policyText));
  const binding = converted('ValidatingAdmissionPolicyBinding', () =>
    parseValidatingAdmissionPolicyBinding(bindingText),
  );
  const resource = clusterAdmissionPolicy(module, policy, binding);
  for (const message of [...moduleWarnings(module), ...policyWarnings(policy)]) {
    log({ level: 'warn', target: 'kwctl::scaffold::vap', message });
  }
  environment.write(stringifyYaml(resource));
}

/** The `#` in the messages is there in the reference implementation as well; scripts may look for them. */
function readResource(path: string): Promise<string> {
  const describe = (reason: string): string => `cannot open ${path}: #${reason}`;
  return readTextFile(path, { maxBytes: MAX_RESOURCE_BYTES, code: 'file-unusable', describe });
}

function converted<T>(kind: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new KwctlError('custom-resource-invalid', `cannot convert given data into a ${kind}: #${error.message}`, {
      cause: error,
    });
  }
}

function moduleWarnings(module: string): string[] {
  try {
    const { tag, digest } = parseImageReference(module.replace(/^registry:\/\//, ''));
    if (digest !== undefined || tag !== 'latest') return [];
    return [
      "Using the 'latest' version of the CEL policy could lead to unexpected behavior. It is recommended to use a specific version to avoid breaking changes.",
    ];
  } catch (error) {
    if (!(error instanceof ImageReferenceError)) throw error;
    return ['The CEL policy module specified is not a valid OCI reference'];
  }
}

function policyWarnings({ spec }: ValidatingAdmissionPolicy): string[] {
  const { auditAnnotations = [], matchConditions = [], matchConstraints } = spec;
  const ignored = { auditAnnotations, matchConditions };
  const warnings = Object.entries(ignored)
    .filter(([, items]) => items.length > 0)
    .map(([name]) => `${name} are not supported by Kubewarden's CEL policy yet. They will be ignored.`);
  // Without these the policy sees more requests than before: nobody should find that out in production.
  const { excludeResourceRules = [], resourceRules = [] } = matchConstraints ?? {};
  if (excludeResourceRules.length > 0) warnings.push(narrowing('excludeResourceRules'));
  if (resourceRules.some(({ resourceNames = [] }) => resourceNames.length > 0))
    warnings.push(narrowing('resourceNames'));
  return warnings;
}

function narrowing(name: string): string {
  return `${name} cannot be expressed by a ClusterAdmissionPolicy. They will be ignored: the policy will be asked about more resources than before.`;
}
