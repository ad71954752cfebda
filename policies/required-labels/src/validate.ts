import { accept, deny, matchesGlob, mutate } from '@portcullis/sdk';
import type { AdmissionRequest, ObjectMeta, Verdict } from '@portcullis/sdk';
import { MAX_LABEL_LENGTH } from './settings.ts';
import type { Settings } from './settings.ts';

/** Whatever has labels: every Kubernetes object. */
export interface LabelledObject {
  metadata?: ObjectMeta | null;
}

/** Denies an object without a required label, or with a value that does not fit; adds defaults where all else is well. */
export function validate(
  request: AdmissionRequest<LabelledObject>,
  { labels: required }: Settings,
): Verdict<LabelledObject> {
  // DELETE has no object, and the object of a subresource (a scale, a binding) is not the labelled one.
  if (!request.object || request.subResource) return accept();
  const present = request.object.metadata?.labels ?? {};
  const problems: string[] = [];
  const added: Record<string, string> = {};
  for (const [key, { pattern, default: value }] of required) {
    const found = Object.hasOwn(present, key) ? present[key] : undefined;
    if (found === undefined) {
      if (value === undefined) problems.push(`label ${JSON.stringify(key)} is missing`);
      else added[key] = value;
    } else if (found.length > MAX_LABEL_LENGTH) {
      // The API server checks labels only after webhooks that may change them.
      problems.push(`label ${JSON.stringify(key)} has more than ${MAX_LABEL_LENGTH} characters`);
    } else if (pattern !== undefined && !matchesGlob(pattern, found)) {
      problems.push(`label ${JSON.stringify(key)} is ${JSON.stringify(found)}, expected ${JSON.stringify(pattern)}`);
    }
  }
  if (problems.length > 0) return deny(problems.join('; '));
  return Object.keys(added).length === 0 ? accept() : mutate(withLabels(request.object, { ...present, ...added }));
}

function withLabels<Labelled extends LabelledObject>(object: Labelled, labels: Record<string, string>): Labelled {
  return { ...object, metadata: { ...object.metadata, labels } };
}
