import { test } from 'tap';
import { commandsBelow, optionText, positionalText, type CommandSpec } from '../command-line/command.ts';
import { helpText } from '../command-line/help.ts';
import { parseCommandLine } from '../command-line/parser.ts';
import { usageLine } from '../command-line/usage.ts';
import { UsageError } from '../command-line/usage-error.ts';
import { ROUTES } from './routes.ts';
import { KWCTL } from './table.ts';

const commands = await commandsBelow(KWCTL);
const leaves = commands.filter(({ subcommands }) => subcommands === undefined);

function command(name: string): CommandSpec {
  const found = commands.find(({ path }) => path === (name === '' ? 'kwctl' : `kwctl ${name}`));
  if (found === undefined) throw new Error(`no command ${name}`);
  return found;
}

async function usageError(text: string): Promise<string> {
  try {
    await parseCommandLine(KWCTL, text.split(' '));
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'no error';
}

const SOURCES = '--docker-config-json-path <PATH>, --sources-path <PATH>';
const OWN_SOURCES = SOURCES.replace('<PATH>', '<DOCKER_CONFIG>');
const VERIFICATION = `--cert-email <VALUE>, --cert-oidc-issuer <VALUE>, --github-owner <VALUE>, --github-repo <VALUE>, --sigstore-trust-config <PATH>,
  -a --verification-annotation <KEY=VALUE>*, --verification-config-path <PATH>, -k --verification-key <PATH>*`;
const EVALUATION = `${SOURCES}, ${VERIFICATION}, --allow-context-aware, --allowed-host-capabilities [<allowed-host-capabilities>...]*,
  --disable-wasmtime-cache, -e --execution-mode <MODE>, --raw, --record-host-capabilities-interactions <FILE>,
  --replay-host-capabilities-interactions <FILE>, -r --request-path <PATH>!, --settings-json <VALUE>, -s --settings-path <PATH>, --timeout <SECONDS>`;

/** Every option scripts may use, with its value; `*` = may be repeated, `!` = required. And what is ours: --json, --timeout. */
const MATRIX: Readonly<Record<string, readonly [options: string, positionals: string]>> = {
  '': ['--no-color, -v --verbose', ''],
  annotate: ['-m --metadata-path <PATH>!, -o --output-path <PATH>!, -u --usage-path <PATH>', '<wasm-path>'],
  bench: [
    `${EVALUATION}, --dump-results-to-disk[=<dump_results_to_disk>], --json, --measurement-time <SECONDS>, --num-resamples <NUM>,
    --num-samples <NUM>, --warm-up-time <SECONDS>`,
    '<uri_or_sha_prefix_or_yaml_file>',
  ],
  completions: ['-s --shell <VALUE>!', ''],
  digest: [SOURCES, '<uri>'],
  docs: ['-o --output <FILE>!', ''],
  info: ['--json', ''],
  inspect: [`${SOURCES}, --json, -o --output <FORMAT>, --show-signatures`, '<uri_or_sha_prefix>'],
  load: ['--input <input>!', ''],
  policies: ['--json', ''],
  pull: [`${OWN_SOURCES}, ${VERIFICATION}, -o --output-path <PATH>`, '<uri>'],
  push: [`${SOURCES}, -f --force[=<force>], -o --output <PATH>`, '<policy> <uri>'],
  rm: ['', '<uri_or_sha_prefix>'],
  run: [EVALUATION, '<uri_or_sha_prefix_or_yaml_file>'],
  save: ['-o --output <FILE>!', '<policies>...'],
  scaffold: ['', ''],
  'scaffold admission-request': ['--object <PATH>, --old-object <PATH>, -o --operation <TYPE>!', ''],
  'scaffold artifacthub': [
    '-m --metadata-path <PATH>, -o --output <FILE>, -q --questions-path <PATH>, -v --version <VALUE>',
    '',
  ],
  'scaffold manifest': [
    `${OWN_SOURCES}, ${VERIFICATION}, --settings-json <VALUE>, -s --settings-path <PATH>, --allow-context-aware, --title <VALUE>, -t --type <VALUE>!`,
    '<uri_or_sha_prefix>',
  ],
  'scaffold vap': [
    '-b --binding <VALIDATING-ADMISSION-POLICY-BINDING.yaml>!, --cel-policy <URI>, -p --policy <VALIDATING-ADMISSION-POLICY.yaml>!',
    '',
  ],
  'scaffold verification-config': ['', ''],
  verify: [`${SOURCES}, ${VERIFICATION}, --json`, '<uri>'],
};

test('every command has the options, values and positionals scripts know', async (t) => {
  t.same(commands.map(({ path }) => path.slice('kwctl '.length)).sort(), Object.keys(MATRIX).sort());
  for (const [name, [options, positionals]] of Object.entries(MATRIX)) {
    const spec = command(name);
    const written = spec.options.map((option) => {
      const marks = (option.repeatable === true ? '*' : '') + (option.required === true ? '!' : '');
      return `${option.short === undefined ? '' : `-${option.short} `}${optionText(option)}${marks}`;
    });
    const expected = options.split(/,\s+/).filter((text) => text !== '');
    t.same(written.sort(), expected.sort(), `kwctl ${name}`);
    t.equal(spec.positionals.map(positionalText).join(' '), positionals, `kwctl ${name}`);
  }
});

test('-h and --help differ where there is more to say, and options are listed by name', async (t) => {
  const longer = leaves.filter((spec) => helpText(spec, true) !== helpText(spec, false)).map(({ path }) => path);
  t.same(
    longer.sort(),
    ['bench', 'pull', 'push', 'run', 'verify'].map((name) => `kwctl ${name}`),
  );
  for (const spec of commands) {
    const listed = [...helpText(spec, false).matchAll(/^ {2}(?:-\w, | {4})--([\w-]+)/gm)].map(([, id = '']) => id);
    const own = listed.filter((id) => id !== 'help' && !(spec === commands[0] && id === 'version'));
    t.same(own, own.toSorted(), spec.path);
    t.equal(listed.at(-1), spec === commands[0] ? 'version' : 'help', spec.path);
    t.equal(
      helpText(spec, false).includes("Print help (see more with '--help')"),
      longer.includes(spec.path),
      spec.path,
    );
  }
  for (const name of ['pull', 'push', 'run', 'verify', 'bench']) {
    t.match(helpText(command(name), true), /HTTPS_PROXY[^]+NO_PROXY[^]+upper case wins\.\n$/, name);
  }
  t.match(
    helpText(command('push'), true),
    /Annotations of the policy's metadata become annotations of the OCI manifest/,
  );
});

test('usage errors of every command: something missing, something unknown, something twice', async (t) => {
  for (const spec of leaves) {
    const words = spec.path.slice('kwctl '.length);
    const required = spec.options.filter((option) => option.required === true);
    const missing = [...required.map(optionText), ...spec.positionals.map(positionalText)];
    const text = await usageError(words);
    if (missing.length === 0) t.equal(text, 'no error', words);
    else {
      t.ok(
        text.startsWith(`error: the following required arguments were not provided:\n  ${missing.join('\n  ')}\n\n`),
        words,
      );
      t.ok(text.includes(`\n\n${usageLine(spec, [])}\n\n`), words);
    }
    t.match(await usageError(`${words} --nonsense`), /^error: unexpected argument '--nonsense' found\n/, words);
    t.match(
      await usageError(`${words} -v${words.endsWith('artifacthub') ? ' x -v y' : ''}`),
      /^error: /,
      `${words} -v`,
    );
    for (const option of spec.options.filter((each) => each.repeatable !== true)) {
      const value = option.valueName === undefined ? '' : `=${option.values?.[0] ?? 1}`;
      const once = `--${option.id}${value}`;
      t.ok(
        (await usageError(`${words} ${once} ${once}`)).startsWith(
          `error: the argument '${optionText(option)}' cannot be used multiple times\n`,
        ),
        `${words} ${once}`,
      );
    }
  }
  t.equal(
    await usageError('scaffold'),
    `error: 'kwctl scaffold' requires a subcommand but one was not provided
  [subcommands: admission-request, artifacthub, manifest, vap, verification-config, help]

Usage: kwctl scaffold <COMMAND>

For more information, try '--help'.`,
  );
  t.match(
    await usageError('scaffold manifes x'),
    /unrecognized subcommand 'manifes'\n\n {2}tip: a similar subcommand exists: 'manifest'/,
  );
  t.match(await usageError('scaffold -V'), /^error: unexpected argument '-V' found\n/);
  t.match(
    await usageError('scaffold admission-request -o UPDATE'),
    /invalid value 'UPDATE' for '--operation <TYPE>'\n {2}\[possible values: CREATE\]/,
  );
  t.match(
    await usageError('scaffold manifest -t AdmissionPolicy -s a --settings-json b p'),
    /^error: the argument '--settings-\w+ <\w+>' cannot be used with '--settings-/,
  );
  t.match(await usageError('completions -s tcsh'), /possible values: bash, elvish, fish, powershell, zsh/);
});

test('push --force and bench --dump-results-to-disk take a value only when it is attached', async (t) => {
  const given = async (text: string): Promise<unknown> => {
    const line = await parseCommandLine(KWCTL, text.split(' '));
    if (line.kind !== 'command') return line.kind;
    return [Object.fromEntries(line.arguments.options), line.arguments.positionals];
  };
  t.same(await given('push --force p.wasm registry://x'), [{ force: [] }, ['p.wasm', 'registry://x']]);
  t.same(await given('push p.wasm registry://x --force'), [{ force: [] }, ['p.wasm', 'registry://x']]);
  t.same(await given('push --force=yes p.wasm registry://x'), [{ force: ['yes'] }, ['p.wasm', 'registry://x']]);
  t.same(await given('push -f p.wasm registry://x'), [{ force: [] }, ['p.wasm', 'registry://x']]);
  t.same(await given('push -fo json p.wasm registry://x'), [
    { force: [], output: ['json'] },
    ['p.wasm', 'registry://x'],
  ]);
  t.same(await given('bench --dump-results-to-disk -r r p.wasm'), [
    { 'dump-results-to-disk': [], 'request-path': ['r'] },
    ['p.wasm'],
  ]);
  t.same(await given('save a b --output f c'), [{ output: ['f'] }, ['a', 'b', 'c']], 'as the air gap script does');
  t.match(await usageError('push --force --force a b'), /'--force\[=<force>\]' cannot be used multiple times/);
});

test('help finds every command, by either way to ask', async (t) => {
  for (const { path } of commands) {
    const words = path.split(' ').slice(1);
    for (const args of [
      [...words, '--help'],
      ['help', ...words],
      [...words.slice(0, -1), 'help', ...words.slice(-1)],
    ]) {
      t.match(await parseCommandLine(KWCTL, args), { kind: 'help', command: { path }, long: true }, args.join(' '));
    }
  }
  t.equal(
    await usageError('help scaffold nothing'),
    `error: unrecognized subcommand 'nothing'\n\nUsage: kwctl scaffold <COMMAND>\n\nFor more information, try '--help'.`,
  );
});

test('every command is carried out by somebody', async (t) => {
  t.same(Array.from(ROUTES.keys()).sort(), leaves.map(({ path }) => path).sort());
  for (const [path, load] of ROUTES) t.type(await load(), 'function', path);
});
