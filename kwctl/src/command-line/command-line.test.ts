import { randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { KWCTL } from '../commands/table.ts';
import { commandsBelow } from './command.ts';
import { helpText } from './help.ts';
import { parseCommandLine } from './parser.ts';
import { jaro, similarTo } from './similarity.ts';
import { UsageError } from './usage-error.ts';

const RUN_USAGE = 'Usage: kwctl run [OPTIONS] --request-path <PATH> <uri_or_sha_prefix_or_yaml_file>';
const MORE = "For more information, try '--help'.";

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** What `run` was given: options as `id=value,value`, then positionals. */
async function given(text: string): Promise<string> {
  const line = await parseCommandLine(KWCTL, words(text));
  if (line.kind !== 'command') return line.kind;
  const options = Array.from(line.arguments.options, ([id, values]) => `${id}=${values.join(',')}`);
  return [...options, ...line.arguments.positionals].join(' ');
}

async function usageError(text: string): Promise<string> {
  try {
    await parseCommandLine(KWCTL, words(text));
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'no error';
}

test('options may stand anywhere and be spelt in every usual way', async (t) => {
  const expected = 'request-path=r.json settings-json={} p.wasm';
  for (const text of [
    'run -r r.json --settings-json {} p.wasm',
    'run p.wasm -r r.json --settings-json {}',
    'run --request-path=r.json --settings-json={} p.wasm',
    'run -rr.json --settings-json {} -- p.wasm',
    'run -r=r.json p.wasm --settings-json {}',
  ]) {
    t.equal(await given(text), text.startsWith('run p') ? expected : expected, text);
  }
  t.equal(await given('run -r - --raw p.wasm'), 'request-path=- raw= p.wasm');
  t.equal(await given('run -r r -- -v'), 'request-path=r -v');
  t.equal(await given('run -r r -k a -k b p'), 'request-path=r verification-key=a,b p');
});

test('SUPERSET: --force needs no value; where there is a word too many, the one after it was its value', async (t) => {
  for (const [text, expected] of [
    ['push --force p uri', 'force= p uri'],
    ['push p uri -f', 'force= p uri'],
    ['push --force=yes p uri', 'force=yes p uri'],
    ['push -fyes p uri', 'force=yes p uri'],
    ['push -f yes p uri', 'force=yes p uri'],
    ['push p --force yes uri', 'force=yes p uri'],
    ['push p uri -f yes', 'force=yes p uri'],
    ['push -f yes -o json p uri', 'force=yes output=json p uri'],
    ['push -f yes -- p uri', 'force=yes p uri'],
    ['bench -r r --dump-results-to-disk yes p', 'request-path=r dump-results-to-disk=yes p'],
  ] as const) {
    t.equal(await given(text), expected, text);
  }
  const usage = 'Usage: kwctl push [OPTIONS] <policy> <uri>';
  for (const text of ['push p uri x', 'push -f yes p uri x', 'push -f -o json p uri x', 'push -f -- p uri x']) {
    t.equal(await usageError(text), `error: unexpected argument 'x' found\n\n${usage}\n\n${MORE}`, text);
  }
});

test('--allowed-host-capabilities takes what follows, and may be repeated', async (t) => {
  t.equal(
    await given('run -r r --allowed-host-capabilities oci/* net/* -- p'),
    'request-path=r allowed-host-capabilities=oci/*,net/* p',
  );
  t.equal(
    await given('run p --allowed-host-capabilities oci/* -r r'),
    'allowed-host-capabilities=oci/* request-path=r p',
  );
  t.equal(await given('run --allowed-host-capabilities -r r p'), 'allowed-host-capabilities= request-path=r p');
  t.equal(
    await given('run p --allowed-host-capabilities oci/* -r r --allowed-host-capabilities net/*'),
    'allowed-host-capabilities=oci/*,net/* request-path=r p',
  );
  t.match(
    await usageError('run -r r --allowed-host-capabilities oci/* p.wasm'),
    /required arguments were not provided:\n {2}<uri_or/,
  );
});

test('usage errors read as those of clap', async (t) => {
  const cases: [string, string][] = [
    [
      'run --foo',
      `error: unexpected argument '--foo' found\n\n  tip: to pass '--foo' as a value, use '-- --foo'\n\n${RUN_USAGE}\n\n${MORE}`,
    ],
    [
      'run -v p',
      `error: unexpected argument '-v' found\n\n  tip: to pass '-v' as a value, use '-- -v'\n\n${RUN_USAGE}\n\n${MORE}`,
    ],
    [
      'rum',
      `error: unrecognized subcommand 'rum'\n\n  tip: a similar subcommand exists: 'run'\n\nUsage: kwctl [OPTIONS] <COMMAND>\n\n${MORE}`,
    ],
    ['help nope', `error: unrecognized subcommand 'nope'\n\nUsage: kwctl [OPTIONS] <COMMAND>\n\n${MORE}`],
    ['run a b -r c', `error: unexpected argument 'b' found\n\n${RUN_USAGE}\n\n${MORE}`],
    [
      'run -r a -r b',
      `error: the argument '--request-path <PATH>' cannot be used multiple times\n\n${RUN_USAGE}\n\n${MORE}`,
    ],
    ['run --raw --raw', `error: the argument '--raw' cannot be used multiple times\n\n${RUN_USAGE}\n\n${MORE}`],
    [
      'run -r x --record-host-capabilities-interactions a --replay-host-capabilities-interactions b p',
      `error: the argument '--record-host-capabilities-interactions <FILE>' cannot be used with '--replay-host-capabilities-interactions <FILE>'\n\nUsage: kwctl run --request-path <PATH> --record-host-capabilities-interactions <FILE> <uri_or_sha_prefix_or_yaml_file>\n\n${MORE}`,
    ],
    [
      'run --settings-json {}',
      `error: the following required arguments were not provided:\n  --request-path <PATH>\n  <uri_or_sha_prefix_or_yaml_file>\n\nUsage: kwctl run --request-path <PATH> --settings-json <VALUE> <uri_or_sha_prefix_or_yaml_file>\n\n${MORE}`,
    ],
    [
      'run',
      `error: the following required arguments were not provided:\n  --request-path <PATH>\n  <uri_or_sha_prefix_or_yaml_file>\n\nUsage: kwctl run --request-path <PATH> <uri_or_sha_prefix_or_yaml_file>\n\n${MORE}`,
    ],
    [
      'run --raw=true',
      `error: unexpected value 'true' for '--raw' found; no more were expected\n\n${RUN_USAGE}\n\n${MORE}`,
    ],
    [
      'run -e kubewarde',
      `error: invalid value 'kubewarde' for '--execution-mode <MODE>'\n  [possible values: opa, gatekeeper, kubewarden, wasi, kubewarden-wapc, component]\n\n  tip: a similar value exists: 'kubewarden'\n\n${MORE}`,
    ],
    ['run -r', `error: a value is required for '--request-path <PATH>' but none was supplied\n\n${MORE}`],
    ['run -r --raw p', `error: a value is required for '--request-path <PATH>' but none was supplied\n\n${MORE}`],
    [
      'inspect -o',
      `error: a value is required for '--output <FORMAT>' but none was supplied\n  [possible values: yaml, json]\n\n${MORE}`,
    ],
    [
      'run --settings-jso x',
      `error: unexpected argument '--settings-jso' found\n\n  tip: a similar argument exists: '--settings-json'\n\nUsage: kwctl run --request-path <PATH> --settings-json <VALUE> <uri_or_sha_prefix_or_yaml_file>\n\n${MORE}`,
    ],
    [
      'run -r x --bogus',
      `error: unexpected argument '--bogus' found\n\n  tip: to pass '--bogus' as a value, use '-- --bogus'\n\nUsage: kwctl run --request-path <PATH> <uri_or_sha_prefix_or_yaml_file>\n\n${MORE}`,
    ],
    [
      '--raw run',
      `error: unexpected argument '--raw' found\n\n  tip: 'run --raw' exists\n\nUsage: kwctl [OPTIONS] <COMMAND>\n\n${MORE}`,
    ],
    [
      'run --timeout soon',
      `error: invalid value 'soon' for '--timeout <SECONDS>': expected a number of seconds\n\n${MORE}`,
    ],
  ];
  for (const [text, expected] of cases) t.equal(await usageError(text), expected, text);
  t.match(
    await usageError('-v'),
    /^error: 'kwctl' requires a subcommand but one was not provided\n {2}\[subcommands: annotate, bench, .*, verify, help\]\n\nUsage: kwctl \[OPTIONS\] <COMMAND>\n\n/,
  );
});

test('help and version answer at once, global flags stand before the command', async (t) => {
  t.equal(await given(''), 'nothing');
  for (const text of ['help', '-h', '--help', 'help run', 'run -h', 'run -r x --help', 'help help'])
    t.equal(await given(text), 'help', text);
  t.match(await parseCommandLine(KWCTL, ['help', 'run']), { kind: 'help', command: { path: 'kwctl run' }, long: true });
  t.match(await parseCommandLine(KWCTL, ['run', '-h']), { kind: 'help', long: false });
  t.match(await parseCommandLine(KWCTL, ['-V']), { kind: 'version', long: false });
  t.match(await parseCommandLine(KWCTL, ['--version', 'nonsense']), { kind: 'version', long: true });
  const line = await parseCommandLine(KWCTL, ['-v', '--no-color', 'rm', 'anything']);
  t.match(line, { kind: 'command', command: { path: 'kwctl rm' }, arguments: { positionals: ['anything'] } });
  t.same(line.kind === 'command' && [...line.globals.options.keys()], ['verbose', 'no-color']);
});

test('every command has a help text made from the table', async (t) => {
  const all = await commandsBelow(KWCTL);
  t.equal(all.length, 22);
  for (const command of all) {
    for (const isLong of [false, true]) {
      const text = helpText(command, isLong);
      t.ok(
        text.startsWith(command.about) && text.includes(`\n\nUsage: ${command.path}`) && text.endsWith('\n'),
        command.path,
      );
      for (const option of command.options) t.ok(text.includes(`--${option.id}`), `${command.path} --${option.id}`);
    }
  }
  const annotate = all.find(({ path }) => path === 'kwctl annotate') ?? KWCTL;
  t.equal(
    helpText(annotate, false),
    `Add Kubewarden metadata to a WebAssembly module

Usage: kwctl annotate [OPTIONS] --metadata-path <PATH> --output-path <PATH> <wasm-path>

Arguments:
  <wasm-path>  Path to WebAssembly module to be annotated

Options:
  -m, --metadata-path <PATH>  File containing the metadata
  -o, --output-path <PATH>    Output file
  -u, --usage-path <PATH>     File containing the usage information of the policy
  -h, --help                  Print help
`,
  );
  const run = all.find(({ path }) => path === 'kwctl run') ?? KWCTL;
  t.match(helpText(run, false), "Print help (see more with '--help')");
  t.match(helpText(run, true), "Print help (see a summary with '-h')");
});

test('similarity is that of Jaro', async (t) => {
  t.equal(jaro('', ''), 1);
  t.equal(jaro('a', ''), 0);
  t.ok(Math.abs(jaro('martha', 'marhta') - 0.944) < 0.001);
  t.ok(Math.abs(jaro('dixon', 'dicksonx') - 0.767) < 0.001);
  t.same(
    similarTo('pul', ['pull', 'push', 'policies']),
    ['push', 'pull'].filter((name) => jaro('pul', name) > 0.7),
  );
});

test('5,000 random command lines: read or refused, nothing else', async (t) => {
  const random = randomFrom(3);
  const pieces = [
    'run',
    'inspect',
    'annotate',
    'help',
    '-r',
    '-e',
    '--raw',
    '--',
    '-',
    '',
    '-h',
    '--settings-json=',
    '--x=y',
    '-rx',
    '-',
    '=',
    '-=',
    '--=',
    '-vV',
    '😀',
    '--allowed-host-capabilities',
    'opa',
    '__proto__',
    '--__proto__',
    'constructor',
    '--constructor=1',
  ];
  for (let round = 0; round < 5000; round++) {
    const args = Array.from({ length: random(7) }, () => pieces[random(pieces.length)] ?? '');
    try {
      await parseCommandLine(KWCTL, args);
    } catch (error) {
      if (!(error instanceof UsageError)) return t.fail(`${String(error)} on ${JSON.stringify(args)}`);
    }
  }
  return t.pass('no other error');
});
