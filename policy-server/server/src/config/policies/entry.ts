import type { CapabilityAllowList, ContextAwareResource, JsonObject } from '@portcullis/protocol';
import type { Position } from './located.ts';

export type PolicyMode = 'protect' | 'monitor';

/** What policies and group members have in common: a module and how it is run. */
export interface PolicySource {
  /** `name` or `group/member`. */
  readonly id: string;
  readonly position: Position;
  /** Location text as it stands in the file. */
  readonly module: string;
  readonly settings: JsonObject;
  readonly contextAwareResources: readonly ContextAwareResource[];
  readonly timeoutMs: number | undefined;
  readonly allowList: CapabilityAllowList;
}

export interface PolicyEntry {
  readonly kind: 'policy';
  readonly id: string;
  readonly source: PolicySource;
  readonly mode: PolicyMode;
  readonly allowedToMutate: boolean;
  readonly message: string | undefined;
}

export interface GroupEntry {
  readonly kind: 'group';
  readonly id: string;
  readonly members: ReadonlyMap<string, PolicySource>;
  readonly expression: string;
  readonly message: string;
  readonly mode: PolicyMode;
}

/** One entry of policies.yml. */
export type PoliciesEntry = PolicyEntry | GroupEntry;
