import { ServerError } from '../errors.ts';
import type { Parsed } from './flag-values.ts';
import { FLAG_NAMES, flagLabel, flagRow, type FlagName, type FlagValues } from './flags.ts';
import { nearest } from './nearest.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the operator asked for. */
export type Command =
  | { readonly kind: 'serve'; readonly flags: FlagValues; readonly given: ReadonlySet<FlagName> }
  | { readonly kind: 'docs'; readonly output: string }
  | { readonly kind: 'help' }
  | { readonly kind: 'version'; readonly long: boolean };

/** A usage problem in the words command lines of this family use, and whether the usage line helps with it. */
interface UsageProblem {
  readonly text: string;
  readonly usage?: string;
}

interface Reading {
  readonly texts: Map<FlagName, string>;
  readonly problems: UsageProblem[];
  readonly words: string[];
  special: Command | undefined;
}

const USAGE = 'policy-server [OPTIONS] [COMMAND]';
const DOCS_USAGE = 'policy-server docs --output <FILE>';

/**
 * Reads the command line and the environment: a flag beats its variable, which beats the default.
 *
 * @throws ServerError with code `usage`; its message holds every problem found, ready to print.
 */
export function parseCommandLine(argv: readonly string[], env: Environment): Command {
  if (argv[0] === 'docs') return parseDocs(argv.slice(1));
  const reading = readArguments(argv);
  if (reading.special !== undefined) return reading.special;
  const [word] = reading.words;
  if (word === 'help') return { kind: 'help' };
  if (word !== undefined) reading.problems.push(unknownCommand(word));
  const { flags, given } = resolveFlags(reading, env);
  if (reading.problems.length > 0) throw usageError(reading.problems);
  return { kind: 'serve', flags, given };
}

function readArguments(argv: readonly string[]): Reading {
  const reading: Reading = { texts: new Map(), problems: [], words: [], special: undefined };
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? '';
    if (argument === '--') {
      reading.words.push(...argv.slice(index + 1));
      break;
    }
    const special = specialCommand(argument);
    if (special !== undefined) {
      reading.special ??= special;
    } else if (argument.startsWith('-') && argument !== '-') {
      index += readFlag(reading, argument, argv[index + 1]);
    } else {
      reading.words.push(argument);
    }
  }
  return reading;
}

function specialCommand(argument: string): Command | undefined {
  if (argument === '-h' || argument === '--help') return { kind: 'help' };
  if (argument === '-V') return { kind: 'version', long: false };
  if (argument === '--version') return { kind: 'version', long: true };
  return undefined;
}

/** Takes one `--flag`, `--flag=value` or `--flag value`; returns how many further arguments it used up. */
function readFlag(reading: Reading, argument: string, next: string | undefined): number {
  const equals = argument.indexOf('=');
  const name = argument.slice(2, equals === -1 ? undefined : equals);
  const known = FLAG_NAMES.find((candidate) => argument.startsWith('--') && candidate === name);
  if (known === undefined) {
    reading.problems.push(unknownFlag(equals === -1 ? argument : argument.slice(0, equals)));
    // The word behind it is most likely its value: complaining about that too would only confuse.
    return equals === -1 && next !== undefined && !next.startsWith('-') ? 1 : 0;
  }
  if (reading.texts.has(known)) {
    reading.problems.push({ text: `the argument '${flagLabel(known)}' cannot be used multiple times`, usage: USAGE });
  }
  if (equals !== -1) {
    reading.texts.set(known, argument.slice(equals + 1));
    return 0;
  }
  if (flagRow(known).placeholder === undefined) {
    reading.texts.set(known, 'true');
    return 0;
  }
  if (next === undefined || (next.startsWith('-') && next !== '-')) {
    reading.problems.push({ text: `a value is required for '${flagLabel(known)}' but none was supplied` });
    return 0;
  }
  reading.texts.set(known, next);
  return 1;
}

function resolveFlags(reading: Reading, env: Environment): { flags: FlagValues; given: Set<FlagName> } {
  const values: Partial<Record<FlagName, unknown>> = {};
  const given = new Set<FlagName>();
  for (const name of FLAG_NAMES) {
    const row = flagRow(name);
    const text = reading.texts.get(name);
    const variable = text === undefined ? env[row.env] : undefined;
    values[name] = row.fallback;
    if (text === undefined && variable === undefined) continue;
    given.add(name);
    const parsed = text === undefined ? (row.parseEnv ?? row.parse)(variable ?? '') : row.parse(text);
    if ('value' in parsed) values[name] = parsed.value;
    else reading.problems.push(invalidValue(name, text ?? variable ?? '', { parsed, fromEnv: text === undefined }));
  }
  // Each value was made by the parser of its own row or is that row's fallback.
  return { flags: values as FlagValues, given };
}

function invalidValue(
  name: FlagName,
  text: string,
  origin: { parsed: Exclude<Parsed<unknown>, { value: unknown }>; fromEnv: boolean },
): UsageProblem {
  const where = origin.fromEnv ? ` (from ${flagRow(name).env})` : '';
  const head = `invalid value '${printable(text)}' for '${flagLabel(name)}'${where}`;
  const { problem, possible } = origin.parsed;
  if (possible === undefined) return { text: `${head}: ${problem}` };
  const tip = nearest(text, possible);
  const tail = tip === undefined ? '' : `\n\n  tip: a similar value exists: '${tip}'`;
  return { text: `${head}\n  [possible values: ${possible.join(', ')}]${tail}` };
}

function unknownFlag(argument: string): UsageProblem {
  const text = `unexpected argument '${printable(argument)}' found`;
  const similar = nearest(argument.slice(2), FLAG_NAMES);
  const known = FLAG_NAMES.find((name) => name === similar);
  if (known === undefined) return { text, usage: USAGE };
  return {
    text: `${text}\n\n  tip: a similar argument exists: '--${known}'`,
    usage: `policy-server ${flagLabel(known)}`,
  };
}

function unknownCommand(word: string): UsageProblem {
  const text = `unrecognized subcommand '${printable(word)}'`;
  const similar = nearest(word, ['docs', 'help']);
  const tip = similar === undefined ? '' : `\n\n  tip: a similar subcommand exists: '${similar}'`;
  return { text: text + tip, usage: USAGE };
}

function parseDocs(rest: readonly string[]): Command {
  const problems: UsageProblem[] = [];
  let output: string | undefined;
  for (let index = 0; index < rest.length; index++) {
    const argument = rest[index] ?? '';
    if (argument === '-h' || argument === '--help') return { kind: 'help' };
    const match = /^(?:--output|-o)(?:=(.*))?$/s.exec(argument);
    const taken = match === null ? undefined : (match[1] ?? rest[++index]);
    if (match === null)
      problems.push({ text: `unexpected argument '${printable(argument)}' found`, usage: DOCS_USAGE });
    else if (taken === undefined)
      problems.push({ text: "a value is required for '--output <FILE>' but none was supplied" });
    output = taken ?? output;
  }
  if (output === undefined && problems.length === 0) {
    const text = 'the following required arguments were not provided:\n  --output <FILE>';
    problems.push({ text, usage: DOCS_USAGE });
  }
  if (output === undefined || problems.length > 0) throw usageError(problems);
  return { kind: 'docs', output };
}

function usageError(problems: readonly UsageProblem[]): ServerError {
  const usage = problems.find((problem) => problem.usage !== undefined)?.usage;
  const paragraphs = [
    ...problems.map((problem) => `error: ${problem.text}`),
    ...(usage === undefined ? [] : [`Usage: ${usage}`]),
    "For more information, try '--help'.",
  ];
  return new ServerError('usage', paragraphs.join('\n\n'));
}

/** An argument as it may be echoed to a terminal: control characters could rewrite the operator's screen. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is replaced
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\uFFFD');
}
