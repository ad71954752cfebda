import type { LoadedModule, ModuleLocation } from '@portcullis/artifact';
import type { ContextAwareResource, JsonObject } from '@portcullis/protocol';

/** One module to be run: a policy, or a member of a group. */
export interface PlannedModule {
  readonly location: ModuleLocation;
  /** Exactly what is in the store is meant: it was named by its SHA-256. */
  readonly storedOnly?: boolean;
  readonly settings: JsonObject;
  /** `from-metadata`: what the policy says about itself is granted. */
  readonly contextAwareResources: readonly ContextAwareResource[] | 'from-metadata';
  /** Overrides the limit of the command line. */
  readonly timeoutMs?: number;
}

interface Planned {
  /** What messages call it. */
  readonly id: string;
  readonly mode: 'protect' | 'monitor';
}

export interface PlannedPolicy extends Planned {
  readonly kind: 'policy';
  readonly module: PlannedModule;
  readonly allowedToMutate: boolean;
  readonly message?: string;
  /** The execution mode of the command line. */
  readonly executionMode?: string;
}

export interface PlannedGroup extends Planned {
  readonly kind: 'group';
  readonly members: ReadonlyMap<string, PlannedModule>;
  readonly expression: string;
  readonly message: string;
}

export type Plan = PlannedPolicy | PlannedGroup;

/** The modules of a plan, with the names messages give them. */
export function modulesOf(plan: Plan): [id: string, module: PlannedModule][] {
  if (plan.kind === 'policy') return [[plan.id, plan.module]];
  return Array.from(plan.members, ([name, module]) => [`${plan.id}/${name}`, module]);
}

/** Modules by the text of their location: each is read once. */
export type LoadedModules = ReadonlyMap<string, LoadedModule>;
