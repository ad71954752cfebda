import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { defaultCacheDir } from '../build/cache-dir.ts';
import { BuildError } from '../build/errors.ts';
import { buildCommand } from './build-command.ts';

/** What the command line may touch. */
export interface CliHost {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly writeOut: (text: string) => void;
  readonly writeError: (text: string) => void;
}

const USAGE = `Build admission policies written in TypeScript.

Usage: portcullis-sdk build [options] [folder]

Builds the policy in a folder (default: the current one) that holds metadata.yml, src/policy.ts and README.md.

Options:
  -o, --output <file>     where the module goes (default: <folder>/build/policy.wasm)
      --cache-dir <path>  where finished work is kept (default: \${XDG_CACHE_HOME:-~/.cache}/portcullis/policies)
      --no-cache          build everything anew, keep nothing
  -h, --help              print this text
`;

const SUCCESS = 0;
const FAILURE = 1;
const USAGE_ERROR = 2;

/** Runs one command; answers the exit code. */
export async function runCli(args: readonly string[], host: CliHost): Promise<number> {
  const parsed = parse(args);
  if (typeof parsed === 'string') {
    host.writeError(`error: ${parsed}\n\n${USAGE}`);
    return USAGE_ERROR;
  }
  if (parsed.help) {
    host.writeOut(USAGE);
    return SUCCESS;
  }
  const folder = resolve(host.folder, parsed.folder);
  try {
    await buildCommand({
      folder,
      output: parsed.output === undefined ? resolve(folder, 'build/policy.wasm') : resolve(host.folder, parsed.output),
      cacheDir: parsed.cache ? resolve(host.folder, parsed.cacheDir ?? defaultCacheDir(host.environment)) : undefined,
      host,
    });
    return SUCCESS;
  } catch (error) {
    if (!(error instanceof BuildError) && !isFileError(error)) throw error;
    host.writeError(`error: ${error.message}\n`);
    return FAILURE;
  }
}

interface Invocation {
  readonly help: boolean;
  readonly folder: string;
  readonly output: string | undefined;
  readonly cache: boolean;
  readonly cacheDir: string | undefined;
}

/** The invocation, or what is wrong with it. */
function parse(args: readonly string[]): Invocation | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      allowNegative: true,
      options: {
        output: { type: 'string', short: 'o' },
        'cache-dir': { type: 'string' },
        cache: { type: 'boolean', default: true },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const [command, folder = '.', ...rest] = positionals;
    if (!values.help && command !== 'build') {
      return command === undefined ? 'no command - expected build' : `unknown command ${command} - expected build`;
    }
    if (rest.length > 0) return `expected one folder, got ${positionals.length - 1}`;
    return { help: values.help, folder, output: values.output, cache: values.cache, cacheDir: values['cache-dir'] };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A folder that is not there, a file that cannot be written: the operator's to repair, no stack trace. */
function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
