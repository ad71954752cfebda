import type { CertificateIdentity, MetRequirement, VerifiedImage } from '@portcullis/artifact';
import { formatImageReference, type ImageReference } from '@portcullis/protocol';

/** What was verified, and which signature met which requirement, as one line of JSON. */
export function verificationJson({ registry, repository, ...version }: ImageReference, image: VerifiedImage): string {
  const result = {
    uri: `registry://${formatImageReference({ registry, repository, ...version })}`,
    digest: image.digest,
    immutable_ref: formatImageReference({ registry, repository, digest: image.digest }),
    satisfied: image.met.map(metJson),
  };
  return `${JSON.stringify(result, (_key, value: unknown) => (value === undefined ? null : value))}\n`;
}

function metJson({ list, requirement, signature }: MetRequirement): Record<string, unknown> {
  return {
    list,
    constraint: constraintJson(requirement),
    signature: {
      origin: signature.origin,
      annotations: Object.fromEntries(signature.annotations),
      identity: signature.identity && identityJson(signature.identity),
      integrated_time:
        signature.integratedTimeMs === undefined ? undefined : new Date(signature.integratedTimeMs).toISOString(),
    },
  };
}

/** As in a verification config. */
function constraintJson({ annotations, ...own }: MetRequirement['requirement']): Record<string, unknown> {
  const subject = 'subject' in own ? { subject: { [own.subject.kind]: own.subject.value } } : {};
  return { ...own, ...subject, annotations: annotations && Object.fromEntries(annotations) };
}

function identityJson({ issuer, subject, githubRepository }: CertificateIdentity): Record<string, unknown> {
  return { issuer, subject: subject.value, github_repository: githubRepository };
}
