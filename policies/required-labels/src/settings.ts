import { matchesGlob, schema } from '@portcullis/sdk';
import type { Infer } from '@portcullis/sdk';

/** Kubernetes: a label value, or the part of a key after the slash, has at most 63 characters. */
export const MAX_LABEL_LENGTH = 63;
const MAX_KEY_LENGTH = 253 + 1 + MAX_LABEL_LENGTH;
const LABEL = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

const label = schema
  .object({
    pattern: schema.string({ minLength: 1, maxLength: MAX_LABEL_LENGTH }).optional(),
    default: schema
      .string({ maxLength: MAX_LABEL_LENGTH })
      .check((value) => (value === '' || LABEL.test(value) ? undefined : 'must be a valid label value'))
      .optional(),
  })
  .check(({ pattern, default: value }) =>
    pattern === undefined || value === undefined || matchesGlob(pattern, value)
      ? undefined
      : 'the default must fit the pattern',
  )
  .default({});

export const settings = schema.object({
  labels: schema.record(label, { minItems: 1, maxItems: 100 }).check((labels) => {
    const invalid = [...labels.keys()].filter((key) => !isLabelKey(key));
    return invalid.length === 0
      ? undefined
      : `not valid as label keys: ${invalid.map((key) => JSON.stringify(key)).join(', ')}`;
  }),
});

export type Settings = Infer<typeof settings>;

function isLabelKey(key: string): boolean {
  if (key.length > MAX_KEY_LENGTH) return false;
  const [first = '', second, ...rest] = key.split('/');
  if (second === undefined) return LABEL.test(first);
  return rest.length === 0 && PREFIX.test(first) && LABEL.test(second);
}
