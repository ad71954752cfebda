import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, damage, randomFrom } from '@portcullis/testkit';
import { test } from 'tap';
import { ArtifactError } from '../errors.ts';
import { loadSources, parseSources } from './load.ts';
import { proxiesFromEnvironment } from './proxies.ts';
import { NO_SOURCES } from './sources.ts';

const PEM = (await createAuthority('Test CA')).cert;
const OTHER_PEM = (await createAuthority('Other CA')).cert;
const DER = new X509Certificate(PEM).raw;
const NORMAL_PEM = new X509Certificate(PEM).toString();

async function parse(text: string): ReturnType<typeof parseSources> {
  return parseSources(text, { name: 'sources.yml', readFile: () => Promise.reject(new Error('no files here')) });
}

/** A YAML block of this text, as the value of a key. */
function block(text: string, indent: number): string {
  return `|\n${text.replaceAll(/^/gm, ' '.repeat(indent))}`;
}

test('sources: hosts, authorities and proxies; keys nobody knows are ignored', async (t) => {
  const sources = await parse(`insecure_sources:
- localhost:5000
- Registry.Local
- 5000
source_authorities:
  host.k3d.internal:5000:
  - {type: Data, data: ${JSON.stringify(PEM)}}
  - type: Data
    data: ${block(PEM, 6)}
  Other.Example: []
proxies:
  http_proxy: http://proxy:3128
  https_proxy: proxy:3129
  no_proxy: a,.b
favourite_colour: blue
`);
  t.same([...sources.insecure], ['localhost:5000', 'registry.local', '5000']);
  t.same(
    [...sources.authorities],
    [
      ['host.k3d.internal:5000', [NORMAL_PEM, NORMAL_PEM]],
      ['other.example', []],
    ],
  );
  t.same(sources.proxies, { httpProxy: 'http://proxy:3128', httpsProxy: 'http://proxy:3129', noProxy: 'a,.b' });
});

test('sources: everything may be missing, JSON is YAML', async (t) => {
  for (const text of ['', '---\n', '{}', 'insecure_sources:\nsource_authorities: ~\nproxies: {}\n', '# nothing\n']) {
    t.same(await parse(text), NO_SOURCES, JSON.stringify(text));
  }
  t.same([...(await parse('{"insecure_sources": ["a"], "proxies": {"http_proxy": null}}')).insecure], ['a']);
});

test('sources: certificates as PEM text, lists of bytes, !!binary, and files in PEM or DER', async (t) => {
  const dir = t.testdir({ 'ca.pem': PEM, 'bundle.pem': `# two\n${PEM}\n${OTHER_PEM}` });
  writeFileSync(join(dir, 'ca.der'), DER);
  const path = join(dir, 'sources.yml');
  const base64 = Buffer.from(DER).toString('base64');
  writeFileSync(
    path,
    `source_authorities:
  a: [{type: Data, data: [${[...Buffer.from(PEM)].join(', ')}]}]
  b: [{type: Data, data: [${[...DER].join(', ')}]}]
  c: [{type: Data, data: !!binary "${base64}"}]
  d: [{type: Path, path: ${dir}/ca.pem}]
  e: [{type: Path, path: ${dir}/ca.der}]
  f: [{type: Path, path: ${dir}/bundle.pem}]
`,
  );
  const { authorities } = await loadSources(path);
  for (const host of 'abcde') t.same(authorities.get(host), [NORMAL_PEM], host);
  t.same(authorities.get('f'), [NORMAL_PEM, new X509Certificate(OTHER_PEM).toString()]);
});

test('sources: the texts operators and scripts know', async (t) => {
  for (const [text, message] of [
    [
      'source_authorities:\n  h:\n  - {type: Data, data: nonsense}\n',
      'Invalid certificate: Raw certificate is not in PEM nor in DER encoding – source_authorities.h[0] at line 3',
    ],
    [
      'source_authorities:\n  h:\n  - type: data\n    data: x\n',
      'source_authorities.h[0].type: unknown variant `data`, expected `Data` or `Path` at line 3',
    ],
    ['source_authorities: {h: [{data: x}]}', 'source_authorities.h[0]: missing field `type` at line 1'],
    ['source_authorities: {h: [{type: Path}]}', 'source_authorities.h[0]: missing field `path` at line 1'],
    ['source_authorities: {h: [{type: Data}]}', 'source_authorities.h[0]: missing field `data` at line 1'],
    ['insecure_sources: x', 'insecure_sources: invalid type: string "x", expected a sequence at line 1'],
    ['[]', 'invalid type: sequence, expected a map at line 1'],
    ['a: [', /Flow sequence .* at line 1 column/],
    ['a: 1\na: 2', /duplicate field `a` at line 2/],
    ['proxies: {https_proxy: "http://a b"}', /^proxies\.https_proxy: invalid value, expected the URL of a proxy/],
    [
      'proxies: {http_proxy: "socks5://proxy:1080"}',
      /^proxies\.http_proxy: invalid value, expected the URL of a proxy/,
    ],
  ] as const) {
    const error: unknown = await parse(text).catch((thrown: unknown) => thrown);
    t.match(error, { name: 'ArtifactError', code: 'sources-invalid' }, text);
    const head = 'error while loading sources from sources.yml: ';
    const shown = error instanceof ArtifactError ? error.message : '';
    t.ok(shown.startsWith(head), shown);
    t.match(shown.slice(head.length), message);
  }
});

test('FIX: every problem of a sources file is reported at once, with its line', async (t) => {
  const text = `insecure_sources: {a: b}
source_authorities:
  one:
  - type: Data
    data: "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"
  - type: Path
    path: /missing/ca.pem
  two:
  - type: Data
    data: [1, 2, 300]
  - text
  three: {}
proxies: []
`;
  const expected = `error while loading sources from sources.yml: 7 problems
  line 1: insecure_sources: invalid type: map, expected a sequence
  line 4: Invalid certificate: the PEM block holds no certificate – source_authorities.one[0]
  line 7: Cannot read certificate from file: no files here – source_authorities.one[1] names '/missing/ca.pem'
  line 10: source_authorities.two[0].data: invalid value, expected bytes: whole numbers from 0 to 255
  line 11: source_authorities.two[1]: invalid type: string "text", expected a map with \`type\`
  line 12: source_authorities.three: invalid type: map, expected a sequence
  line 13: proxies: invalid type: sequence, expected a map`;
  await t.rejects(parse(text), { code: 'sources-invalid', message: expected });
});

test('FIX: a missing sources file is named, not called a certificate', async (t) => {
  const dir = t.testdir({ 'sources.yml': 'source_authorities: {h: [{type: Path, path: /nowhere/ca.pem}]}', bin: '\0' });
  await t.rejects(loadSources(join(dir, 'none.yml')), {
    code: 'sources-invalid',
    message: `error while loading sources from ${dir}/none.yml: No such file or directory (os error 2)`,
  });
  await t.rejects(loadSources(dir), {
    message: /error while loading sources from .*: it is a directory|is a directory/,
  });
  await t.rejects(loadSources(join(dir, 'sources.yml')), {
    message:
      /: Cannot read certificate from file: No such file or directory \(os error 2\) – source_authorities\.h\[0\] names '\/nowhere\/ca\.pem' at line 1$/,
  });
  writeFileSync(join(dir, 'bin'), Uint8Array.of(0xff, 0xfe));
  await t.rejects(loadSources(join(dir, 'bin')), { message: /bin: expected UTF-8 text$/ });
});

test('sources: whatever the text, there are sources or ArtifactError sources-invalid', async (t) => {
  const random = randomFrom(20_261_121);
  const good = new TextEncoder().encode(`insecure_sources: [a, "b:1"]
source_authorities:
  h: [{type: Data, data: [1, 2]}, {type: Path, path: /x}, {type: Data, data: ${JSON.stringify(PEM)}}]
proxies: {http_proxy: http://p:1, no_proxy: ~}
`);
  const pieces = ['[', '{', ']', '}', ': ', '- ', '&a ', '*a', '!!binary ', '"', '\n', 'null', '|', 'type: Path'];
  const bytes = pieces.map((piece) => new TextEncoder().encode(piece));
  const outcomes = { read: 0, refused: 0 };
  const endMs = performance.now() + 1500;
  for (let run = 0; run < 600 && performance.now() < endMs; run++) {
    const text = new TextDecoder().decode(damage(good, random, bytes));
    try {
      await parse(text);
      outcomes.read++;
    } catch (error) {
      if (!(error instanceof ArtifactError) || error.code !== 'sources-invalid') throw error;
      outcomes.refused++;
    }
  }
  t.ok(outcomes.read > 0 && outcomes.refused > 0, JSON.stringify(outcomes));
});

test('proxies of the environment: upper case wins, empty is none', async (t) => {
  t.same(
    proxiesFromEnvironment({
      HTTP_PROXY: 'http://upper:1',
      http_proxy: 'http://lower:1',
      HTTPS_PROXY: '',
      https_proxy: 'lower:2',
      NO_PROXY: ' a,.b ',
    }),
    { httpProxy: 'http://upper:1', httpsProxy: 'http://lower:2', noProxy: 'a,.b' },
  );
  t.same(proxiesFromEnvironment({}), { httpProxy: undefined, httpsProxy: undefined, noProxy: undefined });
});
