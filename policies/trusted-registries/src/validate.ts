import { accept, deny, ImageReferenceError, matchesGlob, parseImageReference, podSpecOf } from '@portcullis/sdk';
import type { AdmissionRequest, ImageReference, Verdict } from '@portcullis/sdk';
import { imagesOf } from './images.ts';
import type { Settings } from './settings.ts';
import { isFrom } from './trusted-source.ts';

/** A message is for people; a Pod with hundreds of images does not get hundreds of lines. */
const MAX_PROBLEMS = 10;
const MAX_SHOWN = 200;

/** Denies a Pod, or a workload's Pod template, with an image from elsewhere than the trusted sources. */
export function validate(request: AdmissionRequest, settings: Settings): Verdict {
  const spec = podSpecOf(request);
  if (!spec) return accept();
  const problems = imagesOf(spec).flatMap(({ description, image }) => {
    const problem = judge(image, settings);
    return problem === undefined ? [] : [`${description}: ${problem}`];
  });
  if (problems.length === 0) return accept();
  const more = problems.length - MAX_PROBLEMS;
  return deny([...problems.slice(0, MAX_PROBLEMS), ...(more > 0 ? [`and ${more} more`] : [])].join('; '));
}

/** What is wrong with an image, if anything. */
function judge(image: unknown, settings: Settings): string | undefined {
  if (image === undefined || image === null || image === '') {
    return settings.emptyImage === 'skip' ? undefined : 'has no image';
  }
  if (typeof image !== 'string') return 'the image is not a text';
  const reference = parse(image);
  if (typeof reference === 'string') return reference;
  if (!settings.allow.some((source) => isFrom(source, reference))) {
    return `image ${shown(image)} is not from a trusted registry`;
  }
  return judgeVersion(reference, image, settings);
}

function judgeVersion(
  { tag, digest }: ImageReference,
  image: string,
  { rejectTags, requireDigest }: Settings,
): string | undefined {
  // A tag beside a digest decides nothing today, but it is what people read, and what a tool that drops the digest would pull.
  if (tag !== undefined && rejectTags.some((pattern) => matchesGlob(pattern, tag))) {
    return `image ${shown(image)} has the tag ${JSON.stringify(tag)}, which is not allowed`;
  }
  return requireDigest && digest === undefined ? `image ${shown(image)} has no digest` : undefined;
}

const IMAGE_ID = /^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/;

/** An image that cannot be understood is not trusted: the container runtime may understand it differently. */
function parse(image: string): ImageReference | string {
  // By the grammar a tag of the repository sha256; for container runtimes an image they already have.
  if (IMAGE_ID.test(image))
    return `image ${shown(image)} is the id of an image on the node, not a reference to a registry`;
  try {
    return parseImageReference(image);
  } catch (error) {
    if (error instanceof ImageReferenceError) return error.message;
    throw error;
  }
}

function shown(image: string): string {
  return JSON.stringify(image.length > MAX_SHOWN ? `${image.slice(0, MAX_SHOWN)}…` : image);
}
