import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMetadata } from '@portcullis/protocol';
import { guestModule, watModule } from '@portcullis/testkit';
import { test } from 'tap';
import { folder, kwctl, line, withMetadata, withoutMetadata, type Outcome } from '../test/kwctl-process.ts';

const METADATA = `rules:
- apiGroups: [""]
  apiVersions: [v1]
  resources: [pods]
  operations: [CREATE, UPDATE]
mutating: true
contextAware: false
contextAwareResources:
- {kind: Pod, apiVersion: v1}
- {apiVersion: v1, kind: Namespace}
annotations:
  io.kubewarden.policy.title: raw-validation-policy
  io.kubewarden.policy.version: 1.10
  io.kubewarden.policy.severity: null
  io.kubewarden.policy.category: Resource validation
`;

test('annotate, then inspect: the same metadata, whatever was there before', async (t) => {
  const cwd = await folder(t, 'wapc-rust', 'wasi-go', 'component');
  writeFileSync(join(cwd, 'metadata.yml'), METADATA);
  writeFileSync(join(cwd, 'README.md'), '# Title\n\n* one\n');
  const annotate = async (...args: string[]): Promise<Outcome> => kwctl(['annotate', ...args], { cwd });
  t.same(await annotate('-m', 'metadata.yml', '-u', 'README.md', '-o', 'out.wasm', 'wapc-rust.wasm'), {
    code: 0,
    stdout: '',
    stderr: '',
  });
  t.equal(
    (await kwctl(['inspect', '-o', 'yaml', 'out.wasm'], { cwd })).stdout,
    `protocolVersion: v1
rules:
- apiGroups:
  - ''
  apiVersions:
  - v1
  resources:
  - pods
  operations:
  - CREATE
  - UPDATE
annotations:
  io.kubewarden.kwctl: 1.36.0
  io.kubewarden.policy.category: Resource validation
  io.kubewarden.policy.severity: 'null'
  io.kubewarden.policy.title: raw-validation-policy
  io.kubewarden.policy.usage: |
    # Title

    * one
  io.kubewarden.policy.version: '1.10'
mutating: true
backgroundAudit: true
executionMode: kubewarden-wapc
policyType: kubernetes
contextAwareResources:
- apiVersion: v1
  kind: Namespace
- apiVersion: v1
  kind: Pod
`,
  );
  t.match(await kwctl(['run', '-r', 'review.json', 'out.wasm'], { cwd }), { code: 0, stdout: line(true) });

  writeFileSync(join(cwd, 'raw.yml'), 'rules: []\nmutating: false\npolicyType: raw\n');
  t.match(await annotate('-m', 'raw.yml', '-o', 'out.wasm', 'out.wasm'), { code: 0 }, 're-annotating replaces');
  t.match(readMetadata(readFileSync(join(cwd, 'out.wasm'))), {
    policyType: 'raw',
    annotations: { 'io.kubewarden.kwctl': '1.36.0' },
  });
  for (const mode of ['wasi', 'component']) {
    writeFileSync(join(cwd, 'mode.yml'), `rules: []\nmutating: false\nexecutionMode: ${mode}\n`);
    const guest = mode === 'wasi' ? 'wasi-go.wasm' : 'component.wasm';
    t.match(await annotate('-m', 'mode.yml', '-o', 'mode.wasm', guest), { code: 0 }, mode);
    t.match(readMetadata(readFileSync(join(cwd, 'mode.wasm'))), { executionMode: mode, protocolVersion: 'Unknown' });
    t.match(await kwctl(['run', '-r', 'review.json', 'mode.wasm'], { cwd }), { code: 0, stdout: line(true) }, mode);
  }
});

test('annotate: what does not fit is refused', async (t) => {
  const cwd = await folder(t, 'wapc-rust', 'rego-opa');
  const looping = await watModule(
    '(module (memory (export "memory") 1) (func (export "__guest_call") (param i32 i32) (result i32) i32.const 0))',
  );
  writeFileSync(join(cwd, 'mute.wasm'), looping);
  writeFileSync(join(cwd, 'text.wasm'), 'no wasm');
  let files = 0;
  const annotate = async (metadata: string, wasm: string, ...more: string[]): Promise<Outcome> => {
    const file = `m${++files}.yml`;
    writeFileSync(join(cwd, file), metadata);
    return kwctl(['annotate', '-m', file, '-o', 'out.wasm', ...more, wasm], { cwd });
  };
  const minimal = 'rules: []\nmutating: false\n';
  const wrong = "^Error: Wrong value inside of policy's metadata for 'executionMode'\\. ";
  const rule =
    'rules:\n- {apiGroups: [""], apiVersions: [v1], resources: ["*/*", pods], operations: ["*"]}\nmutating: false\n';
  const cases: [string, string, string[], RegExp][] = [
    [minimal, 'rego-opa.wasm', [], new RegExp(`${wrong}This policy has been created using Rego`)],
    [
      `${minimal}executionMode: opa`,
      'wapc-rust.wasm',
      [],
      new RegExp(`${wrong}The policy has not been created using Rego`),
    ],
    [
      `${minimal}executionMode: component`,
      'wapc-rust.wasm',
      [],
      new RegExp(`${wrong}This policy is not a WebAssembly component`),
    ],
    [minimal, 'mute.wasm', [], /^Error: Error while detecting Kubewarden protocol version: /],
    [minimal, 'text.wasm', [], /^Error: Error parsing wasm module: .*text\.wasm/],
    [minimal, 'none.wasm', [], /^Error: Error reading wasm file: .*none\.wasm/],
    [minimal, 'none.wasm', ['-u', 'none.md'], /^Error: Error reading usage file: .*none\.md/],
    [
      rule,
      'wapc-rust.wasm',
      [],
      /^Error: Metadata is invalid: rules\[0\]\.resources: if '\*\/\*' is present, must not specify other resources/,
    ],
    ['rules: []\n', 'wapc-rust.wasm', [], /^Error: Error unmarshalling metadata m\d+\.yml: missing field `mutating`/],
    [`${minimal}mutating: true`, 'wapc-rust.wasm', [], /duplicate field `mutating` at line 3/],
    [
      `${minimal}annotations: {a: [1]}`,
      'wapc-rust.wasm',
      [],
      /^Error: Error unmarshalling metadata .*invalid type: sequence/,
    ],
    [`${minimal}---\nx: 1`, 'wapc-rust.wasm', [], /more than one document/],
  ];
  for (const [metadata, wasm, more, stderr] of cases) {
    t.match(await annotate(metadata, wasm, ...more), { code: 1, stdout: '', stderr }, String(stderr));
  }
  t.match(await kwctl(['annotate', '-m', 'none.yml', '-o', 'o', 'wapc-rust.wasm'], { cwd }), {
    code: 1,
    stderr: /^Error: Error opening metadata file: .*none\.yml/,
  });
  t.match(await kwctl(['annotate', '-m', 'm1.yml', '-o', 'no/such/out.wasm', 'rego-opa.wasm'], { cwd }), { code: 1 });
});

test('annotate: capability warnings and the Javy import', async (t) => {
  const cwd = await folder(t);
  const javy = await watModule(`(module
    (import "kubewarden:javy/host" "call" (func (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1) (data (i32.const 0) "kubewarden oci v1/oci_manifest_config net v1/dns_lookup_host")
    (func (export "_start")))`);
  writeFileSync(join(cwd, 'javy.wasm'), javy);
  writeFileSync(
    join(cwd, 'm.yml'),
    'rules: []\nmutating: false\nexecutionMode: wasi\nhostCapabilities: [oci/v2/verify, net/v1/dns_lookup_host, crypto/*]\n',
  );
  const { code, stderr } = await kwctl(['--no-color', 'annotate', '-m', 'm.yml', '-o', 'out.wasm', 'javy.wasm'], {
    cwd,
  });
  t.equal(code, 0);
  t.match(
    stderr,
    /WARN kwctl::annotate: host capabilities used by the policy but not declared in metadata capabilities=\{"oci\/v1\/oci_manifest_config"\}\n/,
  );
  t.match(
    stderr,
    /WARN kwctl::annotate: host capabilities declared in metadata but not detected in the policy capabilities=\{"crypto\/\*", "oci\/v2\/verify"\}\n/,
  );
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(join(cwd, 'out.wasm'))));
  t.match(imports, [{ module: 'host', name: 'call' }]);
});

test('inspect: the text layout, and what it refuses', async (t) => {
  const cwd = await folder(t, 'wapc-rust');
  writeFileSync(join(cwd, 'metadata.yml'), METADATA.replace('  io.kubewarden.policy.severity: null\n', ''));
  writeFileSync(
    join(cwd, 'README.md'),
    '# Title\nSome **bold** words and `code`, long enough for two lines.\n* one\n- two\n> quoted\n\n    \n```\na: 1\nlonger\n```\n',
  );
  await kwctl(['annotate', '-m', 'metadata.yml', '-u', 'README.md', '-o', 'out.wasm', 'wapc-rust.wasm'], { cwd });
  const { stdout } = await kwctl(['inspect', 'out.wasm'], { cwd, env: { COLUMNS: '40' } });
  const key = (text: string): string => text.padEnd(29);
  t.equal(
    stdout,
    [
      `${key('Details')}  `,
      `${key('title:')} raw-validation-policy `,
      `${key('mutating:')} true `,
      `${key('background audit support:')} true `,
      `${key('context aware:')} true `,
      `${key('policy type:')} kubernetes `,
      `${key('execution mode:')} kubewarden-wapc `,
      `${key('protocol version:')} 1 `,
      `${key('instances:')} reset `,
      `${key('')}  `,
      `${key('Annotations')}  `,
      `${key('io.kubewarden.kwctl')} 1.36.0 `,
      `${key('io.kubewarden.policy.category')} Resource validation `,
      `${key('io.kubewarden.policy.version')} 1.10 `,
      '',
      'Rules ',
      '- apiGroups:  ',
      "  - ''        ",
      '  apiVersions:',
      '  - v1        ',
      '  resources:  ',
      '  - pods      ',
      '  operations: ',
      '  - CREATE    ',
      '  - UPDATE    ',
      '',
      'Context Aware ',
      'The policy requires access to the following Kubernetes resources at evaluation time:',
      '- apiVersion: v1 ',
      '  kind: Namespace',
      '- apiVersion: v1 ',
      '  kind: Pod      ',
      'To avoid abuses, review carefully what the policy requires access to.',
      '',
      'Usage ',
      '―'.repeat(40),
      'Title',
      'Some bold words and code, long enough',
      'for two lines.',
      '• one',
      '- two',
      '▐ quoted',
      '',
      '',
      'a: 1  ',
      'longer',
      '―'.repeat(40),
      '',
    ].join('\n'),
  );
  const signed = await kwctl(['inspect', '-o', 'yaml', '--show-signatures', 'out.wasm'], { cwd });
  t.match(signed, { code: 0, stderr: /^Cannot determine if the policy has been signed\./ });
  t.notMatch(signed.stdout, /signatures|Cannot/, 'stdout stays YAML');
  writeFileSync(join(cwd, 'plain.wasm'), withoutMetadata(await guestModule('wapc-rust')));
  for (const [args, stderr] of [
    [['plain.wasm'], /^Error: No Kubewarden metadata found inside of 'file:\/\/.*plain\.wasm'\.\n.*kwctl annotate/],
    [['none.wasm'], /^Error: Cannot find policy with uri: none\.wasm/],
    [['--sources-path', 'x', 'out.wasm'], /^Error: error while loading sources from x: No such file or directory/],
  ] as const) {
    t.match(await kwctl(['inspect', ...args], { cwd }), { code: 1, stdout: '', stderr }, args.join(' '));
  }
});

test('inspect: metadata of a stranger, however large, is shown and rewrites no terminal', async (t) => {
  const cwd = await folder(t);
  const rows = '|a|b|\n'.repeat(130_000);
  const annotations = {
    ...Object.fromEntries(Array.from({ length: 130_000 }, (_, index) => [`k${index}`, 'v'])),
    'io.kubewarden.policy.title': 'a\u001b[31m\u202eb',
    'io.kubewarden.policy.usage': `\`\`\`\n${'x\n'.repeat(130_000)}\`\`\`\n${rows}${'*'.repeat(50_000)}\n${'[a]('.repeat(20_000)}\n`,
  };
  writeFileSync(join(cwd, 'large.wasm'), withMetadata(await guestModule('wapc-rust'), { annotations }));
  const { code, stdout, stderr } = await kwctl(['inspect', 'large.wasm'], { cwd });
  t.same({ code, stderr }, { code: 0, stderr: '' });
  t.match(stdout, /^title: +a\\u\{1b\}\[31m\\u\{202e\}b $/m);
  t.match(stdout, /^k129999 +v $/m);
});
