/** A flag's text turned into its value, or what is wrong with it. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string; readonly possible?: readonly string[] };

const TRUE_WORDS = new Set(['true', '1', 'yes']);
const FALSE_WORDS = new Set(['false', '0', 'no']);

/** `true/1/yes` and `false/0/no` in any case; deployments in the field use all three spellings. */
export function parseBoolean(text: string): Parsed<boolean> {
  const word = text.toLowerCase();
  if (TRUE_WORDS.has(word)) return { value: true };
  if (FALSE_WORDS.has(word)) return { value: false };
  return { problem: 'expected a boolean', possible: ['true', 'false'] };
}

/** https://no-color.org: any non-empty value switches colour off; its wording does not matter. */
export function parsePresence(text: string): Parsed<boolean> {
  return { value: text !== '' };
}

export function parseText(text: string): Parsed<string> {
  return text === '' ? { problem: 'a value is required, got an empty text' } : { value: text };
}

/** A path list as the controller writes it: `a.pem,b.pem`. */
export function parsePathList(text: string): Parsed<readonly string[]> {
  const paths = text.split(',').map((path) => path.trim());
  return paths.includes('') ? { problem: 'expected paths separated by commas, got an empty one' } : { value: paths };
}

export function parseChoice<const T extends string>(choices: readonly T[]): (text: string) => Parsed<T> {
  return (text) => {
    const value = choices.find((choice) => choice === text);
    return value === undefined ? { problem: 'unknown value', possible: choices } : { value };
  };
}

/** Whole decimal numbers only: `1.5`, `0x10`, ` 7` and `1e3` are refused rather than rounded. */
export function parseInteger(minimum: number, maximum: number): (text: string) => Parsed<number> {
  return (text) => {
    if (!/^\d+$/.test(text)) return { problem: `invalid digit found in string: expected a whole number` };
    const value = Number(text);
    if (value >= minimum && value <= maximum) return { value };
    return { problem: `${text} is not in ${minimum}..=${maximum}` };
  };
}
