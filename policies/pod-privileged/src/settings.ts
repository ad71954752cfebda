import { schema } from '@portcullis/sdk';
import type { Infer } from '@portcullis/sdk';

export const settings = schema.object({
  skipInitContainers: schema.boolean().default(false),
  skipEphemeralContainers: schema.boolean().default(false),
});

export type Settings = Infer<typeof settings>;
