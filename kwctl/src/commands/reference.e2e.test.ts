import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import { commandsBelow } from '../command-line/command.ts';
import { kwctl } from '../test/kwctl-process.ts';
import { KWCTL } from './table.ts';

const commands = await commandsBelow(KWCTL);

async function script(cwd: string, shell: string): Promise<string> {
  const { code, stdout, stderr } = await kwctl(['completions', '--shell', shell], { cwd });
  if (code !== 0) throw new Error(stderr);
  const path = join(cwd, `kwctl.${shell}`);
  writeFileSync(path, stdout);
  return path;
}

function output(program: string, args: readonly string[], cwd: string): string {
  const { stdout, stderr, status, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, HOME: cwd },
  });
  if (error !== undefined || status !== 0) throw error ?? new Error(`${program}: ${stderr}`);
  return stdout;
}

function isHere(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

function folderWithFiles(t: Test): string {
  return t.testdir({ 'policy.wasm': '', 'pod review.json': '', registry: {} });
}

/** What is typed before TAB, and what is offered, sorted. */
const OFFERED: readonly [words: readonly string[], offered: readonly string[]][] = [
  [['sc'], ['scaffold']],
  [
    ['scaffold', ''],
    ['admission-request', 'artifacthub', 'help', 'manifest', 'vap', 'verification-config'],
  ],
  [
    ['scaffold', 'manifest', '--t'],
    ['--title', '--type'],
  ],
  [
    ['scaffold', 'manifest', '-t', ''],
    ['AdmissionPolicy', 'ClusterAdmissionPolicy'],
  ],
  [
    ['-v', 'run', '--execution-mode', 'k'],
    ['kubewarden', 'kubewarden-wapc'],
  ],
  [['run', '-e', 'g'], ['gatekeeper']],
  [['push', '--fo'], ['--force']],
  [['push', '--output', 'j'], ['json']],
  [['help', 'sca'], ['scaffold']],
  [
    ['help', 'scaffold', 'v'],
    ['vap', 'verification-config'],
  ],
  [['scaffold', 'help', 'm'], ['manifest']],
  [['pull', ''], []],
  [['run', '--cert-email', ''], []],
  [
    ['run', 'po'],
    ['pod review.json', 'policy.wasm'],
  ],
  [['run', '-r', 'pod'], ['pod review.json']],
  [['inspect', '--docker-config-json-path', 'reg'], ['registry']],
];

test('bash completes commands, options, values, files and folders', async (t) => {
  const cwd = folderWithFiles(t);
  const path = await script(cwd, 'bash');
  const body = 'source "$1"; shift; COMP_WORDS=(kwctl "$@"); COMP_CWORD=$#; _kwctl; printf "%s\\n" "${COMPREPLY[@]}"';
  const complete = (...words: readonly string[]): string[] =>
    output('bash', ['--norc', '-c', body, 'bash', path, ...words], cwd)
      .split('\n')
      .filter((word) => word !== '')
      .sort();
  for (const [words, offered] of OFFERED) t.same(complete(...words), offered, words.join(' '));
  t.same(complete('push', '--output', '=', 'j'), ['json'], 'a value behind =');
  t.same(complete('push', '--output', '='), ['json', 'text']);
  for (const { path: name, options, subcommands } of commands) {
    const expected = [
      ...options.map(({ id }) => `--${id}`),
      '--help',
      ...(name === 'kwctl' ? ['--version'] : []),
    ].sort();
    t.same(complete(...name.split(' ').slice(1), '--'), expected, `${name} --`);
    if (subcommands === undefined) continue;
    t.same(complete(...name.split(' ').slice(1), '').length, subcommands.length + 1, name);
  }
});

test('fish completes commands, options, values and files', { skip: !isHere('fish') && 'no fish here' }, async (t) => {
  const cwd = folderWithFiles(t);
  const path = await script(cwd, 'fish');
  for (const [words, offered] of OFFERED.filter(([words]) => !words.includes('--docker-config-json-path'))) {
    const typed = ['kwctl', ...words].join(' ');
    const text = output('fish', ['--no-config', '-c', `source ${path}; complete -C '${typed}'`], cwd);
    const found = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (line.split('\t')[0] ?? '').replaceAll('\\', ''));
    t.same(found.sort(), offered, typed);
  }
});

/** Types into a real zsh on a terminal of its own, presses TAB, and writes down what the completion system was given. */
const ZSH_TYPIST = String.raw`
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= RPROMPT=; cd $1; source $1/capture.zsh; echo READ''Y"
while zpty -r shell line; do [[ $line == READY* ]] && break; done
zpty -w -n shell "$2"$'\t'
while zpty -r shell line 2>/dev/null; do :; done
`;
const ZSH_CAPTURE = String.raw`
autoload -Uz compinit; compinit -u -D; source ./kwctl.zsh
bindkey '^I' complete-word
compadd() {
    if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        local -a found; builtin compadd -A found "$@"
        print -rl -- $found >> offered
    fi
    builtin compadd "$@"
}
comppostfuncs=( exit )
`.replaceAll('\\$', '$');

test('zsh completes commands, options, values and files', { skip: !isHere('zsh') && 'no zsh here' }, async (t) => {
  const cwd = folderWithFiles(t);
  output('zsh', ['-n', await script(cwd, 'zsh')], cwd);
  writeFileSync(join(cwd, 'capture.zsh'), ZSH_CAPTURE);
  writeFileSync(join(cwd, 'typist.zsh'), ZSH_TYPIST);
  for (const [words, offered] of OFFERED) {
    const typed = ['kwctl', ...words].join(' ');
    writeFileSync(join(cwd, 'offered'), '');
    output('zsh', ['-f', 'typist.zsh', cwd, typed], cwd);
    const found = readFileSync(join(cwd, 'offered'), 'utf8')
      .replaceAll('\\', '')
      .split('\n')
      .filter((word) => word !== '');
    t.same(Array.from(new Set(found)).sort(), offered, typed);
  }
});

test('elvish completes commands, options and values', { skip: !isHere('elvish') && 'no elvish here' }, async (t) => {
  const cwd = folderWithFiles(t);
  const text = readFileSync(await script(cwd, 'elvish'), 'utf8');
  const editor =
    'var edit: = (ns [&completion:=(ns [&arg-completer=[&]]) &complex-candidate~={|&display="" word| put $word} &complete-filename~={|word| put FILES }])\n';
  const complete = (words: readonly string[]): string[] => {
    const list = words.map((word) => `'${word}'`).join(' ');
    writeFileSync(
      join(cwd, 'try.elv'),
      `${editor}${text}\n$edit:completion:arg-completer[kwctl] kwctl ${list} | each {|word| echo $word }\n`,
    );
    return output('elvish', ['-norc', 'try.elv'], cwd)
      .split('\n')
      .filter((word) => word !== '');
  };
  for (const [words, offered] of OFFERED) {
    const found = complete(words);
    for (const word of offered.filter((one) => !/ |\./.test(one) && one !== 'registry'))
      t.ok(found.includes(word), `${words.join(' ')} → ${word}`);
  }
  t.same(complete(['run', 'po']), ['FILES']);
});

test('PowerShell is offered everything the table has, in a script whose quotes and brackets match', async (t) => {
  const cwd = t.testdir({});
  const text = readFileSync(await script(cwd, 'powershell'), 'utf8');
  const bare = text
    .replaceAll(/#.*$/gm, '')
    .replaceAll(/'(?:[^'\n]|'')*'/g, '')
    .replaceAll(/"[^"\n]*"/g, '');
  t.notMatch(bare, /['"]/);
  for (const [open, close] of ['()', '{}', '[]']) {
    t.equal(bare.split(open ?? '').length, bare.split(close ?? '').length, `${open}${close}`);
  }
  for (const { path, options } of commands) {
    t.ok(text.includes(`'${path}' = @(`), path);
    for (const { id, help } of options)
      t.ok(text.includes(`, @('--${id}', '${help.replaceAll("'", "''")}')`), `${path} --${id}`);
  }
});

test('the reference of the command line is the one that is checked in', async (t) => {
  const cwd = t.testdir({});
  t.same(await kwctl(['docs', '-o', 'cli.md'], { cwd }), { code: 0, stdout: '', stderr: '' });
  const markdown = readFileSync(join(cwd, 'cli.md'), 'utf8');
  const checkedIn = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  t.ok(markdown === checkedIn, 'made again with: kwctl docs --output kwctl/docs/cli.md');
  t.ok(markdown.startsWith('# Command-Line Help for `kwctl`\n'));
  t.same(await kwctl(['docs', '--output', 'cli.adoc'], { cwd }), { code: 0, stdout: '', stderr: '' });
  const asciidoc = readFileSync(join(cwd, 'cli.adoc'), 'utf8');
  t.ok(asciidoc.startsWith('= Command-Line Help for `+kwctl+`\n'));
  for (const { path, options } of commands) {
    const section = markdown.split(`\n## \`${path}\`\n`)[1]?.split('\n## ')[0] ?? '';
    const adocSection = asciidoc.split(`\n== \`+${path}+\`\n`)[1]?.split('\n[[')[0] ?? '';
    for (const { id } of options) {
      t.ok(section.includes(`\`--${id}`) && adocSection.includes(`\`+--${id}`), `${path} --${id}`);
    }
  }
  mkdirSync(join(cwd, 'folder.md'));
  const failed = await kwctl(['docs', '-o', 'folder.md'], { cwd });
  t.match(failed, {
    code: 1,
    stdout: '',
    stderr: 'Error: cannot create file folder.md: Is a directory (os error 21)\n',
  });
});

test('info tells version, builtins and folders', async (t) => {
  const cwd = t.testdir({});
  const env = { XDG_CACHE_HOME: join(cwd, 'cache'), XDG_CONFIG_HOME: 'relative/is/ignored' };
  const { code, stdout, stderr } = await kwctl(['info'], { cwd, env });
  t.same({ code, stderr }, { code: 0, stderr: '' });
  const pattern =
    /^kwctl version: (.+)\n\nOpen Policy Agent\/Gatekeeper implemented builtins:\n((?: {2}- .+\n)+)\nPolicy store: (.+)\nConfig directory: (.+)\nkwctl cache directory: (.+)\n {4}\n$/;
  const [, version, builtins = '', ...folders] = pattern.exec(stdout) ?? [];
  t.same(folders, [
    join(cwd, 'cache/kubewarden/store'),
    join(cwd, '.config/kubewarden'),
    join(cwd, 'cache/kubewarden/kwctl'),
  ]);
  const names = builtins
    .trimEnd()
    .split('\n')
    .map((line) => line.slice('  - '.length));
  t.same(names, names.toSorted());
  for (const name of [
    'base64url.encode_no_pad',
    'date',
    'glob.quote_meta',
    'regex.split',
    'sprintf',
    'time.now_ns',
    'yaml.unmarshal',
  ]) {
    t.ok(names.includes(name), name);
  }
  const json = await kwctl(['info', '--json'], { cwd, env });
  const [policyStore, configDirectory, cacheDirectory] = folders;
  t.same(JSON.parse(json.stdout), { version, builtins: names, policyStore, configDirectory, cacheDirectory });
});
