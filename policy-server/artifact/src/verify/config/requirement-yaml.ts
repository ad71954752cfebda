import { compareUtf8, JsonNumber } from '@portcullis/protocol';
import { YamlTagged, type YamlNode } from '../../yaml/node.ts';
import { stringifyYaml } from '../../yaml/writer.ts';
import type { SignatureRequirement, VerificationConfig } from './requirement.ts';

/** A requirement as errors print it: every key, those that are not set as null. */
export function requirementYaml(requirement: SignatureRequirement): string {
  return stringifyYaml(requirementNode(requirement));
}

/** A whole config, fit to be read again. */
export function verificationConfigYaml({ allOf, anyOf }: VerificationConfig): string {
  return stringifyYaml(
    new Map<string, YamlNode>([
      ['apiVersion', 'v1'],
      ['allOf', allOf?.map(requirementNode) ?? null],
      ['anyOf', anyOf === undefined ? null : anyOfNode(anyOf)],
    ]),
  );
}

function anyOfNode({ minimumMatches, signatures }: NonNullable<VerificationConfig['anyOf']>): YamlNode {
  return new Map<string, YamlNode>([
    ['minimumMatches', new JsonNumber(String(minimumMatches))],
    ['signatures', signatures.map(requirementNode)],
  ]);
}

function requirementNode(requirement: SignatureRequirement): YamlNode {
  return new Map<string, YamlNode>([
    ['kind', requirement.kind],
    ...ownEntries(requirement),
    ['annotations', annotationsNode(requirement.annotations)],
  ]);
}

function ownEntries(requirement: SignatureRequirement): [string, YamlNode][] {
  switch (requirement.kind) {
    case 'pubKey':
      return [
        ['owner', requirement.owner ?? null],
        ['key', requirement.key],
      ];
    case 'genericIssuer':
      return [
        ['issuer', requirement.issuer],
        ['subject', new YamlTagged(requirement.subject.kind, requirement.subject.value)],
      ];
    case 'githubAction':
      return [
        ['owner', requirement.owner],
        ['repo', requirement.repo ?? null],
      ];
  }
}

function annotationsNode(annotations: ReadonlyMap<string, string> | undefined): YamlNode {
  return annotations === undefined ? null : new Map([...annotations].sort(([a], [b]) => compareUtf8(a, b)));
}
