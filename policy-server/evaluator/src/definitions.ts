import type { PolicyRun } from './evaluator.ts';
import type { PreparedModule } from './modules.ts';

export type PolicyMode = 'protect' | 'monitor';

/** A policy run without its id: the environment names it. */
export type PolicyRunDefinition = Omit<PolicyRun, 'policyId'>;

export interface PolicyDefinition {
  readonly kind: 'policy';
  readonly id: string;
  readonly run: PolicyRunDefinition;
  readonly mode: PolicyMode;
  readonly allowedToMutate: boolean;
  /** Takes the place of the policy's own message when it refuses. */
  readonly message?: string | undefined;
}

export interface GroupDefinition {
  readonly kind: 'group';
  readonly id: string;
  readonly members: ReadonlyMap<string, PolicyRunDefinition>;
  readonly expression: string;
  /** The group's message when it refuses. */
  readonly message: string;
  readonly mode: PolicyMode;
}

/** A policy or group that could not be made ready: every request to it is refused with the reason. */
export interface BrokenPolicy {
  readonly kind: 'broken';
  readonly id: string;
  readonly message: string;
}

/** One row of the table of policies. */
export interface PolicyRow {
  readonly id: string;
  readonly kind: 'policy' | 'group' | 'broken';
  readonly mode: PolicyMode | undefined;
  /** The modules it runs, a group's in the order of its members. */
  readonly modules: readonly PreparedModule[];
  /** Why it is broken. */
  readonly problem: string | undefined;
}
