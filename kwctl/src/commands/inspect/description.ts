import { stringifyYaml } from '@portcullis/artifact';
import { compareUtf8, jsonFrom, type PolicyMetadata } from '@portcullis/protocol';
import { KwctlError } from '../../errors.ts';
import { printable } from '../../output/log.ts';
import { codeBlock, renderMarkdown } from './markdown.ts';
import { rowTable, type Emphasis, type Row } from './row-table.ts';

const PREFIX = 'io.kubewarden.policy.';
const USAGE = `${PREFIX}usage`;
/** Annotations shown under `Details`, in this order. */
const DETAILS = ['title', 'description', 'author', 'url', 'source', 'license'];

export interface DescriptionOptions {
  /** In columns; text that can be wrapped is. */
  readonly width: number;
  /** How its evaluations come to their first state. */
  readonly instances: string;
  readonly emphasize: Emphasis;
}

/** Describes a policy for people. */
export function describePolicy(metadata: PolicyMetadata, options: DescriptionOptions): string {
  const { instances, emphasize } = options;
  const annotations = new Map(Object.entries(metadata.annotations ?? {}));
  const usage = annotations.get(USAGE);
  const sections = [
    table([...detailRows(metadata, annotations), ['instances:', instances]], annotationRows(annotations), emphasize),
    `${emphasize('Rules')} \n${yamlBlock(metadata.rules)}`,
  ];
  if (metadata.contextAwareResources.length > 0) {
    sections.push(
      `${emphasize('Context Aware')} \n` +
        'The policy requires access to the following Kubernetes resources at evaluation time:\n' +
        `${yamlBlock(metadata.contextAwareResources)}` +
        'To avoid abuses, review carefully what the policy requires access to.\n',
    );
  }
  const described = sections.map((text) => `${text}\n`).join('');
  return usage === undefined ? described : described + usageSection(printable(usage), options);
}

function usageSection(usage: string, { width, emphasize }: DescriptionOptions): string {
  const rule = `${'―'.repeat(width)}\n`;
  return `${emphasize('Usage')} \n${rule}${renderMarkdown(usage, width)}${rule}`;
}

function yamlBlock(items: readonly object[]): string {
  return codeBlock(
    printable(stringifyYaml(jsonFrom(items)))
      .trimEnd()
      .split('\n'),
  );
}

function detailRows(metadata: PolicyMetadata, annotations: ReadonlyMap<string, string>): Row[] {
  const { mutating, backgroundAudit, policyType, executionMode, minimumKubewardenVersion } = metadata;
  const named = DETAILS.flatMap((name): Row[] => {
    const value = annotations.get(PREFIX + name);
    return value === undefined ? [] : [[`${name}:`, value]];
  });
  return [
    ...named,
    ['mutating:', String(mutating)],
    ['background audit support:', String(backgroundAudit)],
    ['context aware:', String(metadata.contextAwareResources.length > 0)],
    ['policy type:', policyType],
    ['execution mode:', executionMode],
    ...(executionMode === 'kubewarden-wapc' ? [['protocol version:', protocolVersion(metadata)] as const] : []),
    ...(minimumKubewardenVersion === undefined
      ? []
      : [['minimum kubewarden version:', minimumKubewardenVersion] as const]),
  ];
}

function protocolVersion({ protocolVersion: version }: PolicyMetadata): string {
  if (version === undefined) {
    throw new KwctlError(
      'metadata-invalid',
      'Invalid policy: protocolVersion is missing from its metadata; annotate it again',
    );
  }
  return version === 'v1' ? '1' : version;
}

function annotationRows(annotations: ReadonlyMap<string, string>): Row[] {
  const shown = new Set([USAGE, ...DETAILS.map((name) => PREFIX + name)]);
  return Array.from(annotations)
    .filter(([key]) => !shown.has(key))
    .sort(([a], [b]) => compareUtf8(a, b));
}

/** Details and annotations share one column of keys; titles and the row between them are padded like any other. */
function table(details: readonly Row[], annotations: readonly Row[], emphasize: Emphasis): string {
  const titled: Row[] = annotations.length > 0 ? [['', ''], ['Annotations'], ...annotations] : [];
  return rowTable([['Details'], ...details, ...titled], emphasize);
}
