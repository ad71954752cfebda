import { containersOf } from '@portcullis/sdk';
import type { PodSpec } from '@portcullis/sdk';

/** An image a Pod pulls, as written, and who wants it. */
export interface ImageSite {
  readonly image: unknown;
  /** For messages: `init container "setup"`. */
  readonly description: string;
}

/** Since Kubernetes 1.31 a volume can be an image. */
interface ImageVolume {
  readonly name: string;
  readonly image?: { readonly reference?: unknown } | null;
}

/** Every image of a Pod: of containers, init containers, ephemeral containers and volumes. */
export function imagesOf(spec: PodSpec): ImageSite[] {
  const volumes: readonly ImageVolume[] = spec.volumes ?? [];
  return [
    ...containersOf(spec).map(({ container, description }) => ({ image: container.image, description })),
    ...volumes.flatMap(({ name, image }) =>
      image ? [{ image: image.reference, description: `volume ${JSON.stringify(name)}` }] : [],
    ),
  ];
}
