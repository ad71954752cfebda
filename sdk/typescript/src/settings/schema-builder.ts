import { list, object, record } from './collections.ts';
import { boolean, integer, number, oneOf, string } from './scalars.ts';

/**
 * The parts settings are described with.
 *
 * @example
 * ```ts
 * const settings = schema.object({
 *   allow: schema.list(schema.string({ minLength: 1 }), { minItems: 1 }),
 *   requireDigest: schema.boolean().default(false),
 * });
 * ```
 */
export const schema = { object, list, record, string, boolean, number, integer, oneOf } as const;
