import { admissionReview } from '@portcullis/testkit';
import type { LoadRequest } from '../load/plan.ts';

/** Body and the verdict it deserves. */
export type PodReview = Required<Omit<LoadRequest, 'path'>>;

/** The creation of a Pod as an API server sent it. */
export async function privilegedPod(): Promise<PodReview> {
  return { body: await admissionReview('pod-create'), expect: 'denied' };
}

/** The same without its privileged container. */
export async function harmlessPod(): Promise<PodReview> {
  const { body } = await privilegedPod();
  const text = Buffer.from(body).toString().replace('"privileged":true', '"privileged":false');
  return { body: Buffer.from(text), expect: 'allowed' };
}
