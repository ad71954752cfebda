import { FLAG_NAMES, flagLabel, flagRow, type FlagName } from './flags.ts';

const SUMMARY = 'Serves Kubernetes admission policies written as WebAssembly modules.';
const COMMANDS: readonly (readonly [string, string])[] = [
  ['docs --output <FILE>', 'Write this help as Markdown'],
  ['help', 'Print this help'],
];

/** The text of `--help`. */
export function helpText(): string {
  const options = visibleFlags().flatMap((name) => [`      ${flagLabel(name)}`, `          ${describe(name)}`]);
  const commands = COMMANDS.map(([usage, help]) => `  ${usage.padEnd(22)}${help}`);
  return [
    SUMMARY,
    '',
    'Usage: policy-server [OPTIONS] [COMMAND]',
    '',
    'Commands:',
    ...commands,
    '',
    'Options:',
    ...options,
    '  -h, --help',
    '          Print help',
    '  -V, --version',
    '          Print version',
    '',
    'A switch also takes a value (--enable-metrics=false). A flag beats its variable, which beats the default.',
    '',
  ].join('\n');
}

/** The same as Markdown, for `docs --output`. */
export function helpMarkdown(): string {
  const options = visibleFlags().map((name) => `* \`${flagLabel(name)}\` — ${describe(name)}`);
  const commands = COMMANDS.map(([usage, help]) => `* \`${usage}\` — ${help}`);
  return [
    '# Command-line help for `policy-server`',
    SUMMARY,
    '**Usage:** `policy-server [OPTIONS] [COMMAND]`',
    '## Commands',
    commands.join('\n'),
    '## Options',
    options.join('\n'),
    'A switch also takes a value (`--enable-metrics=false`). A flag beats its variable, which beats the default.',
    '',
  ].join('\n\n');
}

function visibleFlags(): readonly FlagName[] {
  return FLAG_NAMES.filter((name) => flagRow(name).hidden === undefined).toSorted();
}

function describe(name: FlagName): string {
  const row = flagRow(name);
  const served = row.notServed === undefined ? '' : ' (not served yet)';
  const shown = typeof row.fallback === 'string' || typeof row.fallback === 'number' ? String(row.fallback) : '';
  const fallback = row.fallbackText ?? shown;
  const bracket = fallback === '' ? '' : ` [default: ${fallback}]`;
  return `${row.help}${served} [env: ${row.env}]${bracket}`;
}
