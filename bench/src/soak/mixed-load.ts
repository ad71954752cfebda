import { admissionReview, guestModule } from '@portcullis/testkit';
import type { LoadRequest } from '../load/plan.ts';
import { type PolicySet, thirteenPolicies } from '../modules/policy-set.ts';

/** What the guest of the tests does besides accepting, each as a policy. */
const MISBEHAVIOURS = ['leak', 'trap', 'mutate', 'loop'] as const;
/** Every so many requests, one to the policy that loops until its deadline. */
const LOOP_EVERY = 500;
const REVIEWS = ['pod-create', 'pod-update', 'deployment-create', 'cronjob-create', 'large-create'] as const;

/**
 * Thirteen policies that behave and four that do not, over requests of 4 kB to 1.5 MB. Verdicts are not looked at: what a policy
 * says of which request is a matter of tests.
 */
export async function mixedLoad(): Promise<PolicySet> {
  const { modules, policies } = await thirteenPolicies();
  const misbehaving = Object.fromEntries(
    MISBEHAVIOURS.map((behaviour) => [behaviour, { module: 'guest', settings: { behaviour }, timeoutEvalSeconds: 1 }]),
  );
  const bodies = await Promise.all(REVIEWS.map((name) => admissionReview(name)));
  const ids = [...Object.keys(policies), 'leak', 'trap', 'mutate'];
  const requests: LoadRequest[] = Array.from({ length: LOOP_EVERY }, (_, index) => {
    // Large requests are rare: one of the five reviews, but only every tenth time its turn comes.
    const turn = Math.floor(index / ids.length);
    const review = turn % REVIEWS.length === REVIEWS.length - 1 && index % 10 !== 0 ? 0 : turn % REVIEWS.length;
    return { path: `/validate/${ids[index % ids.length]}`, body: bodies[review] ?? new Uint8Array() };
  });
  requests[LOOP_EVERY - 1] = { path: '/validate/loop', body: bodies[0] ?? new Uint8Array() };
  return {
    modules: { ...modules, guest: await guestModule('wapc-rust') },
    policies: { ...policies, ...misbehaving },
    requests,
  };
}
