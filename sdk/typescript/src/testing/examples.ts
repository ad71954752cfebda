import { parse } from 'yaml';
import { schema } from '../settings/schema-builder.ts';
import { createSchema, parseSettings } from '../settings/schema.ts';
import type { Infer, Schema } from '../settings/schema.ts';

const anything: Schema<unknown> = createSchema(
  (value) => ({ value }),
  () => undefined,
);

const example = schema.object({
  settings: anything,
  object: anything,
  accepted: schema.boolean(),
  message: schema.string().optional(),
  mutatedObject: anything,
});

/** What a README promises: with these settings, this object is accepted, denied with a message, or changed. */
export type PolicyExample = Infer<typeof example>;

/**
 * The examples of a README, so that a test can run them: fenced blocks that begin with ` ```yaml example `, each with `object` and
 * `accepted`, and where they matter `settings`, `message` and `mutatedObject`.
 *
 * @throws Error when there is none, or one is not of this form.
 */
export function readExamples(markdown: string): PolicyExample[] {
  const blocks = markdown.split('\n```yaml example\n').slice(1);
  if (blocks.length === 0) throw new Error('no example found - expected blocks that begin with ```yaml example');
  return blocks.map((block) => parseSettings(example, parse(block.slice(0, block.indexOf('\n```')))));
}
