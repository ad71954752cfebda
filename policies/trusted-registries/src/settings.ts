import { schema } from '@portcullis/sdk';
import type { Infer } from '@portcullis/sdk';
import { parseTrustedSource } from './trusted-source.ts';

const entry = schema.string({ minLength: 1, maxLength: 512 }).map(parseTrustedSource);
const tag = schema.string({ minLength: 1, maxLength: 128 });

export const settings = schema.object({
  allow: schema.list(entry, { minItems: 1, maxItems: 1000 }),
  rejectTags: schema.list(tag, { maxItems: 100 }).default([]),
  requireDigest: schema.boolean().default(false),
  emptyImage: schema.oneOf('deny', 'skip').default('deny'),
});

export type Settings = Infer<typeof settings>;
