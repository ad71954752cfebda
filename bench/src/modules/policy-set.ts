import { guestModule } from '@portcullis/testkit';
import type { LoadRequest } from '../load/plan.ts';
import type { PolicyEntry } from '../servers/portcullis.ts';
import { goModule } from './go-modules.ts';
import { harmlessPod } from './pod-reviews.ts';
import { ruleModule } from './rule-modules.ts';

export interface PolicySet {
  readonly modules: Readonly<Record<string, Uint8Array>>;
  readonly policies: Readonly<Record<string, PolicyEntry>>;
  /** One for each policy. */
  readonly requests: readonly LoadRequest[];
}

/**
 * Thirteen policies as clusters run them: four on one large module (there: image signatures), five against privileged Pods, two
 * Go programs of some 20 MB, one in Rego, one in Rust.
 */
export async function thirteenPolicies(): Promise<PolicySet> {
  const modules = {
    large: await guestModule('wasi-go'),
    privileged: await ruleModule('typescript'),
    go: await goModule(20),
    rego: await ruleModule('rego'),
    rust: await ruleModule('rust'),
  };
  const deployments = { large: 4, privileged: 5, go: 2, rego: 1, rust: 1 };
  const policies: Record<string, PolicyEntry> = {};
  for (const [module, count] of Object.entries(deployments)) {
    for (let index = 1; index <= count; index++) policies[`${module}-${index}`] = { module };
  }
  return { modules, policies, requests: await requestsFor(policies) };
}

/** Policies without any module of their own: `count` on one, each with other settings. */
export async function policiesOnOneModule(count: number): Promise<PolicySet> {
  const modules = { rust: await guestModule('wapc-rust') };
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const policies = Object.fromEntries(
    numbers.map((index) => [`policy-${index}`, { module: 'rust', settings: { message: `of policy ${index}` } }]),
  );
  return { modules, policies, requests: await requestsFor(policies) };
}

async function requestsFor(policies: Readonly<Record<string, PolicyEntry>>): Promise<LoadRequest[]> {
  const pod = await harmlessPod();
  return Object.keys(policies).map((id) => ({ ...pod, path: `/validate/${id}` }));
}
