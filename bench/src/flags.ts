import { parseArgs } from 'node:util';
import { BenchError } from './bench.ts';

export type FlagDefaults = Readonly<Record<string, number | string>>;
type Widened<Defaults> = {
  readonly [Name in keyof Defaults]: Defaults[Name] extends number ? number : string;
};

/**
 * Flags of a bench by their defaults; the type of a default is that of the flag, numbers must be positive.
 *
 * @throws BenchError
 */
export function readFlags<const Defaults extends FlagDefaults>(
  args: readonly string[],
  defaults: Defaults,
): Widened<Defaults> {
  const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]));
  const given = parsed(args, options);
  const values = Object.entries(defaults).map(([name, fallback]) => {
    const text = given[name];
    if (text === undefined) return [name, fallback];
    return [name, typeof fallback === 'number' ? positive(name, text) : text];
  });
  return Object.fromEntries(values) as Widened<Defaults>;
}

function parsed(
  args: readonly string[],
  options: Record<string, { type: 'string' }>,
): Record<string, string | undefined> {
  try {
    return parseArgs({ args: [...args], options, strict: true }).values as Record<string, string | undefined>;
  } catch (error) {
    throw new BenchError(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new BenchError(`--${name} must be a number above 0, got "${text}"`);
}
